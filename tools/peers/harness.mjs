// One measurement: a fresh browser, a page of its own for the peer, and the numbers it came back
// with. A peer that fails gives `{ failed: reason }`.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { firstLine, launchBrowser } from "../browser.mjs";
import { ISOLATED, sendFile, serve } from "../serve.mjs";
import { ROOT } from "../setup.mjs";
import { HERE } from "./install.mjs";
import { PEERS } from "./peers.mjs";

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

/** The adapter that all are measured on, its name and a label; nothing where none of `peers` takes WebGPU. */
export async function findAdapter(servers, peers) {
  if (!peers.some((name) => PEERS[name].backend === "webgpu")) return undefined;
  const { browser, adapter, label } = await launchBrowser(servers.plain.url, { webgpu: true });
  await browser.close();
  console.error(`WebGPU is ${label}.`);
  return { name: adapter, label };
}

/**
 * wllama gives up where a kernel is not done after half a minute, which lavapipe may take to compile some. What it has
 * compiled is kept, so each try comes further.
 */
const TRIES = { lavapipe: 5 };

/** As measureOnce, and again where a peer gave up while its kernels were compiled for the first time. */
export async function measure(peer, servers, work, options) {
  for (let tries = TRIES[options.adapter] ?? 1; ; tries--) {
    const result = await measureOnce(peer, servers, work, options);
    if (tries === 1 || !result.failed || result.failed.startsWith("not ")) return result;
    console.error(`${peer.label}: ${result.failed}; once more, as kernels may have been compiling`);
  }
}

/**
 * Times `peer` once. `work` has promptTokens, genTokens, warmupTokens, context, and where the
 * model lies. Rates are tokens a second; the first token's time is not part of decode.
 */
async function measureOnce(peer, servers, work, { adapter, timeoutS, verbose }) {
  let browser, timer;
  try {
    let page;
    ({ browser, page } = await launchBrowser((peer.isolated ? servers.isolated : servers.plain).url, { adapter }));
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
