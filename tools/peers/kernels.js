// The matrix products of 2048 x 2048 4-bit weights, in the page: G multiply-adds a second.
import { median } from "/peers/table.mjs";

const N = 2048;
const CHAIN = 8;

/** Sotto's, from its own profile of a model that consists of such matrices. */
export async function sotto({ url, rows, precision, threads }) {
  const { load } = await import("/dist/index.js");
  const model = await load(url, { backend: "cpu", maxBatchTokens: rows, contextLength: 1024, precision, threads });
  const { profile } = await model.bench({ promptTokens: 32, genTokens: 4, runs: 9, profile: true });
  const pass = rows === 1 ? profile.decode : profile.prefill;
  // A product's time holds what is fused with it: norms, gates, the activations' quantization.
  const products = pass.kernels.filter(({ name }) => /^mat\w+\.q4_0/.test(name));
  const weights = products.reduce((sum, { weightBytes }) => sum + (weightBytes / 18) * 32, 0);
  const us = products.reduce((sum, { us }) => sum + us, 0);
  await model.dispose();
  return (weights * rows) / us / 1e3;
}

/** ONNX Runtime Web's, on its wasm: the median of some runs of the chain. */
export async function ort({ url, rows, threads }) {
  const ort = await import("/peers/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs");
  ort.env.wasm.wasmPaths = "/peers/node_modules/onnxruntime-web/dist/";
  ort.env.wasm.numThreads = threads;
  const session = await ort.InferenceSession.create(url, { executionProviders: ["wasm"] });
  const x = new ort.Tensor(
    "float32",
    Float32Array.from({ length: rows * N }, (_, i) => Math.sin(i)),
    [rows, N],
  );
  const times = [];
  for (let run = 0; run < 12; run++) {
    const started = performance.now();
    await session.run({ x0: x });
    times.push(performance.now() - started);
  }
  return (CHAIN * N * N * rows) / median(times) / 1e6;
}
