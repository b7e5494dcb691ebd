// One measurement: a fresh browser, a page of its own for the peer, and the numbers it came back
// with. A peer that fails gives `{ failed: reason }`.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { firstLine, launchBrowser } from "../browser.mjs";
import { sendFile, serve } from "../serve.mjs";
import { ROOT } from "../setup.mjs";
import { HERE } from "./install.mjs";

const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };
const PAGE = "<!doctype html><title>peers</title><script src=/peers/instrument.js></script>";
/** A peer on WebGPU keeps at least its weights there; less than this is not a GPU run. */
const MIN_GPU_BYTES = 16e6;

/** Servers for one model, with and without the headers for threads. */
export async function openServers(model) {
  const routes = {
    "/dist/": join(ROOT, "dist"),
    "/peers/": HERE,
    "/model/": (request, response) => sendFile(request, response, model),
    "/": (_request, response) => response.setHeader("content-type", "text/html").end(PAGE),
  };
  const plain = await serve(routes);
  const isolated = await serve(routes, { headers: ISOLATED });
  const close = () => {
    plain.close();
    isolated.close();
  };
  return { plain, isolated, close };
}

/**
 * Times `peer` once. `work` has promptTokens, genTokens, warmupTokens, context, and where the
 * model lies. Rates are tokens a second; the first token's time is not part of decode.
 */
export async function measureOnce(peer, servers, work, { timeoutS, verbose }) {
  let browser, timer;
  try {
    let page;
    ({ browser, page } = await launchBrowser((peer.isolated ? servers.isolated : servers.plain).url));
    if (verbose) page.on("console", (message) => console.error(`  [${peer.label}] ${message.text().slice(0, 400)}`));
    const timeout = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not finished after ${timeoutS} s`)), timeoutS * 1e3);
    });
    const crashed = new Promise((_, reject) => page.on("crash", () => reject(new Error("the page crashed"))));
    const result = await Promise.race([
      page.evaluate(inPage, { module: peer.module, work: { ...work, ...peer.options } }),
      timeout,
      crashed,
    ]);
    if (result.failed) return result;
    const backend = result.gpuBytes >= MIN_GPU_BYTES ? "webgpu" : "cpu";
    if (backend !== peer.backend) return { failed: `ran on ${backend} instead of ${peer.backend}` };
    return { ...result, backend };
  } catch (error) {
    return { failed: firstLine(error) };
  } finally {
    clearTimeout(timer);
    await browser?.close();
  }
}

/** Runs inside the page. */
async function inPage({ module, work }) {
  try {
    const info = (await navigator.gpu?.requestAdapter())?.info;
    const adapter = info?.description || [info?.vendor, info?.architecture].filter(Boolean).join(" ");
    const { measure } = await import(`/peers/${module}`);
    const result = await measure(work);
    return { ...result, ...(await globalThis.memory()), adapter };
  } catch (error) {
    return {
      failed: String(error?.message ?? error)
        .split("\n")[0]
        .slice(0, 300),
    };
  }
}

/** Bytes of a first load, gzipped. */
export function firstLoad({ files }) {
  return files.reduce((sum, file) => sum + gzipSync(readFileSync(join(ROOT, file)), { level: 9 }).length, 0);
}
