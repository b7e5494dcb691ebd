// A headless Chromium with WebGPU, for the commands and tests.
import { Stop, chromiumArgs, ensureChromium } from "./setup.mjs";

/** The graphics card's adapter where there is one, else the browser's software adapter (SOTTO_ADAPTER=swiftshader asks for that one). `exactTimes`: GPU timestamps to the nanosecond, of which pages see only every 100 µs. */
export async function launchBrowser(url, { exactTimes = false } = {}) {
  const { chromium } = await import("@playwright/test");
  const executablePath = ensureChromium();
  const wanted = process.env.SOTTO_ADAPTER;
  for (const adapter of wanted ? [wanted] : ["hardware", "swiftshader"]) {
    let browser;
    try {
      browser = await chromium.launch({ executablePath, args: [...chromiumArgs(adapter), ...(exactTimes ? ["--enable-webgpu-developer-features"] : [])] });
    } catch (error) {
      throw new Stop(`Chromium (${executablePath}) did not start: ${firstLine(error)}`);
    }
    const page = await browser.newPage();
    await page.goto(url);
    if (await page.evaluate(async () => !!(await navigator.gpu?.requestAdapter()))) return { browser, page };
    await browser.close();
  }
  throw new Stop(`this Chromium (${executablePath}) gives no WebGPU adapter; update it.`);
}

export const firstLine = (error) => String(error?.message ?? error).split("\n")[0];
