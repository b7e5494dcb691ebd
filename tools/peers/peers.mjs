// Who is measured: the page's module, its options, and the files of a first load.
const ORT = "tools/peers/node_modules/onnxruntime-web/dist";
const WLLAMA = "tools/peers/node_modules/@wllama/wllama/esm";
const ort = {
  module: "ort.js",
  backend: "webgpu",
  graphs: true,
  package: "onnxruntime-web",
  files: [
    `${ORT}/ort.webgpu.min.mjs`,
    `${ORT}/ort-wasm-simd-threaded.asyncify.mjs`,
    `${ORT}/ort-wasm-simd-threaded.asyncify.wasm`,
  ],
};
const sottoFiles = (engine) => ["dist/index.js", "dist/worker.js", `dist/${engine}_bg.wasm`];
const sotto = { module: "sotto.js", files: sottoFiles("sotto") };
const wllama = {
  module: "wllama.js",
  package: "@wllama/wllama",
  files: [`${WLLAMA}/index.min.js`, `${WLLAMA}/wasm/wllama.wasm`],
};

/**
 * `options` go to the page; `isolated` pages get the headers that threads need; `rivals` says which of Sotto's rows a
 * peer is compared with: the first of them that was measured.
 */
export const PEERS = {
  sotto: { ...sotto, label: "Sotto", backend: "webgpu", options: { backend: "webgpu" } },
  "sotto-cpu": {
    ...sotto,
    label: "Sotto, CPU",
    backend: "cpu",
    files: sottoFiles("sotto_cpu"),
    options: { backend: "cpu", threads: 1 },
  },
  "sotto-cpu-2": {
    ...sotto,
    label: "Sotto, CPU, 2 threads",
    backend: "cpu",
    isolated: true,
    files: sottoFiles("sotto_threads"),
    options: { backend: "cpu", threads: 2 },
  },
  ort: { ...ort, label: "ONNX Runtime Web", rivals: ["sotto"], options: { graph: "model.onnx" } },
  "ort-int8": {
    ...ort,
    label: "ONNX Runtime Web, accuracy level 4",
    rivals: ["sotto"],
    options: { graph: "accuracy4.onnx" },
  },
  "wllama-1": {
    ...wllama,
    label: "wllama, 1 thread",
    backend: "cpu",
    rivals: ["sotto-cpu", "sotto"],
    options: { threads: 1, gpu: false },
  },
  "wllama-2": {
    ...wllama,
    label: "wllama, 2 threads",
    backend: "cpu",
    isolated: true,
    rivals: ["sotto-cpu-2", "sotto-cpu", "sotto"],
    options: { threads: 2, gpu: false },
  },
  "wllama-gpu": {
    ...wllama,
    label: "wllama, WebGPU",
    backend: "webgpu",
    rivals: ["sotto"],
    options: { threads: 1, gpu: true },
  },
};
