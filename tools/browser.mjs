// A headless Chromium, for the commands.
import { Stop, chromiumArgs, ensureChromium } from "./setup.mjs";

/** With the graphics card's adapter where there is one; with the browser's software adapter where there is none and `webgpu` needs one, or SOTTO_ADAPTER=swiftshader asks for it. `exactTimes`: GPU timestamps to the nanosecond, of which pages see only every 100 µs. */
export async function launchBrowser(url, { webgpu = false, exactTimes = false } = {}) {
  const { chromium } = await import("@playwright/test");
  const executablePath = ensureChromium();
  const wanted = process.env.SOTTO_ADAPTER;
  for (const adapter of wanted ? [wanted] : ["hardware", "swiftshader"]) {
    let browser;
    try {
      browser = await chromium.launch({
        executablePath,
        args: [...chromiumArgs(adapter), ...(exactTimes ? ["--enable-webgpu-developer-features"] : [])],
      });
    } catch (error) {
      throw new Stop(`Chromium (${executablePath}) did not start: ${firstLine(error)}`);
    }
    const page = await browser.newPage();
    await page.goto(url);
    if (!webgpu || (await page.evaluate(async () => !!(await navigator.gpu?.requestAdapter()))))
      return { browser, page };
    await browser.close();
  }
  throw new Stop(`this Chromium (${executablePath}) gives no WebGPU adapter; update it.`);
}

export const firstLine = (error) => String(error?.message ?? error).split("\n")[0];
