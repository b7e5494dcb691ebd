// A headless Chromium on a WebGPU adapter, for the commands.
import { constants } from "node:os";
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
  endsQuietly();
  const { chromium } = await import("@playwright/test");
  for (const name of adapter ? [adapter] : Object.keys(ADAPTERS)) {
    const { executablePath, args, env, label, reason } = await ADAPTERS[name]();
    if (reason && adapter) throw new Stop(`there is no ${adapter} here: ${reason}`);
    if (reason) continue;
    const extra = exactTimes ? ["--enable-webgpu-developer-features"] : [];
    const options = { executablePath, env, args: [...args, ...extra], ...OWN_SIGNALS };
    const browser = await orStop(chromium.launch(options), `Chromium (${executablePath}) did not start`);
    const opened = (async () => {
      const page = await browser.newPage();
      await page.goto(url);
      return { page, fits: !webgpu || (await page.evaluate(hasAdapter, name === "hardware")) };
    })();
    const { page, fits } = await orStop(opened, `Chromium (${executablePath}) ended, or its page did`);
    if (fits) return { browser, page, adapter: name, label };
    await browser.close();
  }
  throw new Stop(`this Chromium (${ensureChromium()}) gives no WebGPU adapter; update it.`);
}

/** Signals that end a program. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Playwright's answers to them are left out, which say what they broke off. */
const OWN_SIGNALS = { handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false };

/** A signal ends the program with the status that a shell gives such an end; as it ends, Playwright kills its browsers. */
function endsQuietly() {
  for (const signal of SIGNALS) if (!process.listeners(signal).includes(end)) process.on(signal, end);
}

function end(signal) {
  process.exit(128 + constants.signals[signal]);
}

/** What `promise` gives; a Stop that begins with `what` where it fails. */
export function orStop(promise, what) {
  return promise.catch((error) => {
    throw new Stop(`${what}: ${firstLine(error)}`);
  });
}

/** Runs in the page. Where there is no graphics card, Chromium offers its software as the fallback. */
async function hasAdapter(hardware) {
  const adapter = await navigator.gpu?.requestAdapter();
  return !!adapter && !(hardware && adapter.info.isFallbackAdapter);
}

export const firstLine = (error) => String(error?.message ?? error).split("\n")[0];
