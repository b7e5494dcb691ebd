// Eight requests to one model, in the page, so many at a time: each engine, once it has loaded, is a function that answers a prompt and
// tells when each of its tokens came.

const QUIET = { debug() {}, log() {}, warn: console.warn, error: console.error };

/** Through the built package's own API: requests under way share passes. */
async function sotto({ threads, backend, context, tokens }) {
  const { load } = await import("/dist/index.js");
  const model = await load("/model/model.gguf", {
    backend,
    cache: "none",
    contextLength: context,
    ...(threads && { threads }),
  });
  return async (prompt, came) => {
    const options = { raw: true, temperature: 0, maxTokens: tokens, speculate: "off" };
    for await (const piece of model.generate(prompt, options)) came(piece.tokens.length);
  };
}

/** With its four slots, and further requests in its line. */
async function wllama({ threads, context, tokens }) {
  const { Wllama } = await import("/peers/node_modules/@wllama/wllama/esm/index.js");
  const model = new Wllama({ default: "/peers/node_modules/@wllama/wllama/esm/wasm/wllama.wasm" }, { logger: QUIET });
  const file = await (await fetch("/model/model.gguf")).blob();
  await model.loadModel([file], { n_ctx: context, n_parallel: 4, n_threads: threads, n_gpu_layers: 0 });
  const options = { max_tokens: tokens, temperature: 0, cache_prompt: false, stream: true };
  return async (prompt, came) => {
    for await (const { choices } of await model.createCompletion({ ...options, prompt }))
      came(choices?.[0]?.text ? 1 : 0);
  };
}

const ENGINES = { sotto, wllama };

export async function open({ engine, ...options }) {
  const answer = await ENGINES[engine](options);
  await answer("Hello", () => {});
  return answer;
}

/** All prompts, `atOnce` of them at a time. */
export async function measure(answer, prompts, atOnce) {
  const started = performance.now();
  const left = [...prompts];
  const gaps = [];
  let tokens = 0;
  const work = async () => {
    while (left.length > 0) {
      let last;
      await answer(left.shift(), (count) => {
        if (count === 0) return;
        const now = performance.now();
        if (last !== undefined) gaps.push(now - last);
        last = now;
        tokens += count;
      });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  const seconds = (performance.now() - started) / 1000;
  gaps.sort((a, b) => a - b);
  return { tokens, seconds, usual: gaps[gaps.length >> 1], slowest: gaps.at(-1) };
}
