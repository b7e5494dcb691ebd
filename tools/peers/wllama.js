// wllama (llama.cpp), in the page: on its CPU with one thread or more, or on WebGPU.
import { Wllama } from "/peers/node_modules/@wllama/wllama/esm/index.js";

/** One measurement: see harness.mjs. Throws where wllama would fall back without saying so. */
export async function measure({ modelUrl, context, promptTokens, genTokens, warmupTokens, threads, gpu }) {
  if (gpu) {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter) throw new Error("not run: no WebGPU adapter");
    if (!adapter.features.has("shader-f16")) throw new Error("not run: adapter lacks shader-f16");
  }
  if (threads > 1 && !globalThis.crossOriginIsolated) throw new Error("not run: the page is not cross-origin isolated");
  const started = performance.now();
  const quiet = { debug() {}, log() {}, warn: console.warn, error: console.error };
  const model = new Wllama({ default: "/peers/node_modules/@wllama/wllama/esm/wasm/wllama.wasm" }, { logger: quiet });
  const file = await (await fetch(modelUrl)).blob();
  await model.loadModel([file], { n_ctx: context, n_parallel: 1, n_threads: threads, n_gpu_layers: gpu ? 99999 : 0 });
  const loadMs = performance.now() - started;
  if (threads > 1 && !model.isMultithread()) throw new Error("not run: wllama took one thread only");
  const generate = async (prompt, count) => {
    const from = performance.now();
    let first, timings;
    const options = {
      prompt,
      max_tokens: count,
      temperature: 0,
      ignore_eos: true,
      cache_prompt: false,
      timings_per_token: true,
    };
    for await (const chunk of await model.createCompletion({ ...options, stream: true })) {
      first ??= performance.now();
      timings = chunk.timings ?? timings;
    }
    return { ttftMs: first - from, timings };
  };
  // It takes text only, so a word that is one token stands for any token; a short request tells
  // how many tokens come with it.
  const words = (count) => `the${" the".repeat(count - 1)}`;
  const counting = performance.now();
  const extra = (await generate(words(4), 1)).timings.prompt_n - 4;
  const counted = performance.now() - counting;
  if (warmupTokens > extra) await generate(words(warmupTokens - extra), 2);
  const readyMs = performance.now() - started - counted;
  const { ttftMs, timings } = await generate(words(promptTokens - extra), genTokens);
  if (timings.prompt_n !== promptTokens || timings.predicted_n !== genTokens) {
    throw new Error(
      `wllama computed ${timings.prompt_n} and ${timings.predicted_n} tokens, not ${promptTokens} and ${genTokens}`,
    );
  }
  return {
    version: Wllama.getLibllamaVersion(),
    loadMs,
    readyMs,
    ttftMs,
    prefillTps: (timings.prompt_n / timings.prompt_ms) * 1e3,
    decodeTps: ((timings.predicted_n - 1) / timings.predicted_ms) * 1e3, // Its clock starts at the first token.
  };
}
