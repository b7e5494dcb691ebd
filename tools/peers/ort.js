// ONNX Runtime Web on WebGPU, in the page: the graph of gguf_to_onnx.py, greedy, with a KV cache
// that stays on the GPU in buffers which the graph reads and writes in place.
import { madeUpPrompt } from "/peers/prompt.js";
import * as ort from "/peers/node_modules/onnxruntime-web/dist/ort.webgpu.min.mjs";

/** Loads `graph` with a cache for `context` tokens: { step(ids), reset(), adapter, version }. */
export async function loadGraph({ folder, graph, context, log = "warning" }) {
  ort.env.wasm.wasmPaths = "/peers/node_modules/onnxruntime-web/dist/";
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? undefined : 1;
  ort.env.logLevel = log;
  const shape = await (await fetch(`${folder}/model.json`)).json();
  const caches = Array.from({ length: shape.layers }, (_, layer) => [`key.${layer}`, `value.${layer}`]).flat();
  const session = await ort.InferenceSession.create(`${folder}/${graph}`, {
    executionProviders: ["webgpu"],
    externalData: [{ path: "weights.bin", data: `${folder}/weights.bin` }],
    preferredOutputLocation: Object.fromEntries(caches.map((name) => [`present_${name}`, "gpu-buffer"])),
    // That fusion comes first and takes away the pattern of a better one, SiLU and both products in one kernel.
    extra: { optimization: { disable_specified_optimizers: "QuickGeluFusion" } },
    logSeverityLevel: { verbose: 0, warning: 2 }[log],
  });
  const device = await ort.env.webgpu.device;
  const dims = [1, shape.kvHeads, context, shape.headDim];
  const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
  const cache = Object.fromEntries(
    caches.map((name) => {
      const buffer = device.createBuffer({
        size: 4 * dims.reduce((a, b) => a * b),
        usage: STORAGE | COPY_SRC | COPY_DST,
      });
      return [name, ort.Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims })];
    }),
  );
  const past = Object.fromEntries(caches.map((name) => [`past_${name}`, cache[name]]));
  const present = Object.fromEntries(caches.map((name) => [`present_${name}`, cache[name]]));
  let length = 0;
  return {
    shape,
    adapter: device.adapterInfo,
    version: ort.env.versions.web,
    reset: () => (length = 0),
    /** Logits after `ids`, which follow what came before. */
    async step(ids) {
      length += ids.length;
      const feeds = {
        input_ids: new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]),
        seqlens_k: new ort.Tensor("int32", [length - 1], [1]),
        total_length: new ort.Tensor("int32", [length], []),
        ...past,
      };
      const { logits } = await session.run(feeds, { logits: null, ...present });
      return logits.data;
    },
  };
}

export function best(logits) {
  let id = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[id]) id = i;
  return id;
}

/** One measurement: see harness.mjs. */
export async function measure({ modelFolder, graph, context, promptTokens, genTokens, warmupTokens }) {
  const started = performance.now();
  const model = await loadGraph({ folder: modelFolder, graph, context });
  const loadMs = performance.now() - started;
  const generate = async (ids, count) => {
    model.reset();
    const from = performance.now();
    let token = best(await model.step(ids));
    const first = performance.now();
    for (let i = 1; i < count; i++) token = best(await model.step([token]));
    return { ttftMs: first - from, decodeMs: performance.now() - first };
  };
  const prompt = (count) => madeUpPrompt(count, model.shape.vocab);
  if (warmupTokens > 0) await generate(prompt(warmupTokens), 2);
  const readyMs = performance.now() - started;
  const { ttftMs, decodeMs } = await generate(prompt(promptTokens), genTokens);
  return {
    version: model.version,
    loadMs,
    readyMs,
    ttftMs,
    prefillTps: (promptTokens / ttftMs) * 1e3,
    decodeTps: ((genTokens - 1) / decodeMs) * 1e3,
  };
}
