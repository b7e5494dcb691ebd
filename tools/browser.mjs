// A headless Chromium on a WebGPU adapter, for the commands.
import { Stop, chromiumArgs, ensureChromium } from "./setup.mjs";
import { softGpu } from "./soft-gpu/setup.mjs";

const own = (name, label) => () => ({ executablePath: ensureChromium(), args: chromiumArgs(name), label });

/** How a browser is started on each adapter, the best first: `{ executablePath, args, label }`, or a `reason` why not. */
const ADAPTERS = {
  hardware: own("hardware", "the graphics card"),
  lavapipe: softGpu,
  swiftshader: own("swiftshader", "SwiftShader"),
};

/** The name that SOTTO_ADAPTER asks for, if any. */
function wantedAdapter() {
  const wanted = process.env.SOTTO_ADAPTER || undefined;
  if (wanted && !ADAPTERS[wanted])
    throw new Stop(`SOTTO_ADAPTER is one of ${Object.keys(ADAPTERS).join(", ")}, not "${wanted}".`);
  return wanted;
}

/**
 * A browser and its page at `url`. Where `webgpu` needs an adapter: the graphics card's, else a software one; or `adapter`,
 * or the one that SOTTO_ADAPTER names. `exactTimes`: GPU timestamps to the nanosecond, of which pages see only every
 * 100 µs. `label` says what it is.
 */
export async function launchBrowser(url, { webgpu = false, exactTimes = false, adapter = wantedAdapter() } = {}) {
  const { chromium } = await import("@playwright/test");
  for (const name of adapter ? [adapter] : Object.keys(ADAPTERS)) {
    const { executablePath, args, env, label, reason } = await ADAPTERS[name]();
    if (reason && adapter) throw new Stop(`there is no ${adapter} here: ${reason}`);
    if (reason) continue;
    let browser;
    try {
      const extra = exactTimes ? ["--enable-webgpu-developer-features"] : [];
      browser = await chromium.launch({ executablePath, env, args: [...args, ...extra] });
    } catch (error) {
      throw new Stop(`Chromium (${executablePath}) did not start: ${firstLine(error)}`);
    }
    const page = await browser.newPage();
    await page.goto(url);
    if (!webgpu || (await page.evaluate(hasAdapter, name === "hardware")))
      return { browser, page, adapter: name, label };
    await browser.close();
  }
  throw new Stop(`this Chromium (${ensureChromium()}) gives no WebGPU adapter; update it.`);
}

/** Runs in the page. Where there is no graphics card, Chromium offers its software as the fallback. */
async function hasAdapter(hardware) {
  const adapter = await navigator.gpu?.requestAdapter();
  return !!adapter && !(hardware && adapter.info.isFallbackAdapter);
}

export const firstLine = (error) => String(error?.message ?? error).split("\n")[0];
