// Texts to vectors, in the page: each peer, once it has loaded the model, is a function that gives them one behind the other.

const TRANSFORMERS = "/peers/node_modules/@huggingface/transformers";

/** Through the built package's own API, in one call. */
export async function sotto({ file, threads, precision }) {
  const { load } = await import("/dist/index.js");
  const model = await load(`/encoder/${file}`, { backend: "cpu", cache: "none", threads, precision });
  return async (texts) => (await model.embed(texts)).flatMap((vector) => Array.from(vector));
}

/** In calls of `batch` texts, which `sorted` puts in the order of their lengths first. */
export async function transformers({ dtype, threads, batch, sorted }) {
  const { env, pipeline } = await import(`${TRANSFORMERS}/dist/transformers.min.js`);
  Object.assign(env, {
    allowLocalModels: true,
    allowRemoteModels: false,
    localModelPath: "/",
    useBrowserCache: false,
  });
  env.backends.onnx.wasm.wasmPaths = `${TRANSFORMERS}/node_modules/onnxruntime-web/dist/`;
  env.backends.onnx.wasm.numThreads = threads;
  const extract = await pipeline("feature-extraction", "encoder", { dtype, device: "wasm" });
  return async (texts) => {
    const order = texts.map((_, i) => i);
    if (sorted) order.sort((a, b) => texts[a].length - texts[b].length);
    const found = [];
    for (let at = 0; at < texts.length; at += batch) {
      const some = order.slice(at, at + batch);
      const { data } = await extract(
        some.map((i) => texts[i]),
        { pooling: "mean", normalize: true },
      );
      const width = data.length / some.length;
      for (const [row, i] of some.entries()) found[i] = Array.from(data.subarray(row * width, (row + 1) * width));
    }
    return found.flat();
  };
}
