// A thousand sentences as vectors, in the page: how long it took, and the vectors, one behind the other.

const TRANSFORMERS = "/peers/node_modules/@huggingface/transformers";

async function timed(texts, warmup, embed) {
  await embed(texts.slice(0, warmup));
  const started = performance.now();
  const vectors = await embed(texts);
  return { ms: performance.now() - started, vectors };
}

/** Through the built package's own API, in one call. */
export async function sotto({ file, threads, precision, texts, warmup }) {
  const { load } = await import("/dist/index.js");
  const model = await load(`/encoder/${file}`, { backend: "cpu", cache: "none", threads, precision });
  const { ms, vectors } = await timed(texts, warmup, (texts) => model.embed(texts));
  await model.dispose();
  return { ms, vectors: vectors.flatMap((vector) => Array.from(vector)) };
}

/** In calls of `batch` texts; its runtime in a worker of its own, as Sotto's is, where there are threads. */
export async function transformers({ dtype, threads, batch, sorted, texts, warmup }) {
  const { env, pipeline } = await import(`${TRANSFORMERS}/dist/transformers.min.js`);
  Object.assign(env, { allowLocalModels: true, allowRemoteModels: false, localModelPath: "/", useBrowserCache: false });
  env.backends.onnx.wasm.wasmPaths = `${TRANSFORMERS}/node_modules/onnxruntime-web/dist/`;
  env.backends.onnx.wasm.numThreads = threads;
  const extract = await pipeline("feature-extraction", "encoder", { dtype, device: "wasm" });
  const { ms, vectors } = await timed(texts, warmup, async (texts) => {
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
    return found;
  });
  return { ms, vectors: vectors.flat() };
}
