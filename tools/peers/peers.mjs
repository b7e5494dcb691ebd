// Who is measured: the page's module, its options, and the files of a first load.
const ORT = "tools/peers/node_modules/onnxruntime-web/dist";
const WLLAMA = "tools/peers/node_modules/@wllama/wllama/esm";
const ort = {
  module: "ort.js",
  backend: "webgpu",
  graphs: true,
  package: "onnxruntime-web",
  files: [`${ORT}/ort.webgpu.min.mjs`, `${ORT}/ort-wasm-simd-threaded.asyncify.mjs`, `${ORT}/ort-wasm-simd-threaded.asyncify.wasm`],
};
const wllama = { module: "wllama.js", package: "@wllama/wllama", files: [`${WLLAMA}/index.min.js`, `${WLLAMA}/wasm/wllama.wasm`] };

/** `options` go to the page; `isolated` pages get the headers that threads need. */
export const PEERS = {
  sotto: { label: "Sotto", module: "sotto.js", backend: "webgpu", files: ["dist/index.js", "dist/worker.js", "dist/sotto_bg.wasm"] },
  ort: { ...ort, label: "ONNX Runtime Web", options: { graph: "model.onnx" } },
  "ort-int8": { ...ort, label: "ONNX Runtime Web, accuracy level 4", options: { graph: "accuracy4.onnx" } },
  "wllama-1": { ...wllama, label: "wllama, 1 thread", backend: "cpu", options: { threads: 1, gpu: false } },
  "wllama-2": { ...wllama, label: "wllama, 2 threads", backend: "cpu", isolated: true, options: { threads: 2, gpu: false } },
  "wllama-gpu": { ...wllama, label: "wllama, WebGPU", backend: "webgpu", options: { threads: 1, gpu: true } },
};
