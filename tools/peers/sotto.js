// Sotto itself, in the page: the built package through its public API.

/** One measurement: see harness.mjs. `bench` makes up the same prompt as the others are given. */
export async function measure({ modelUrl, context, promptTokens, genTokens, warmupTokens, backend, threads }) {
  const { load } = await import("/dist/index.js");
  const started = performance.now();
  const model = await load(modelUrl, { contextLength: context, backend, cache: "none", ...(threads && { threads }) });
  const loadMs = performance.now() - started;
  if (warmupTokens > 0) await model.bench({ promptTokens: warmupTokens, genTokens: 2, runs: 1 });
  const readyMs = performance.now() - started;
  const { ttftMs, prefillTps, decodeTps } = await model.bench({ promptTokens, genTokens, runs: 1 });
  return { loadMs, readyMs, ttftMs, prefillTps, decodeTps };
}
