// What a saved session spares: a conversation of 1,000 tokens is read, saved, and put back by a new load, by the built package in
// headless Chromium. Tells the seconds of reading, saving and putting back, and the bytes; fails where the reply is another.
//   node tools/eval/sessions.mjs [--model FILE] [--backend cpu|webgpu] [--threads 1] [--tokens 1000] [--rounds 3]
import { basename } from "node:path";
import { Stop, tool } from "../setup.mjs";
import { inBrowser, median } from "./measured.mjs";

/** Runs inside the page: a load that reads and saves, and one that goes on. */
async function inPage({ wanted, ...options }) {
  const { load, store } = await import("/dist/index.js");
  const seconds = async (work) => {
    const started = performance.now();
    const result = await work();
    return [(performance.now() - started) / 1000, result];
  };
  const greedy = { temperature: 0, max_tokens: 8 };
  const model = await load("/model.gguf", { contextLength: 2048, ...options });
  let content = "You answer questions about a house. ";
  for (let i = 1; (await model.tokenize(content)).length < wanted; i++)
    content += `Rule ${i}: room ${i} is open from ${7 + (i % 5)} to ${15 + (i % 6)}. `;
  const session = model.session({ id: "measured", messages: [{ role: "system", content }] });
  const [read, first] = await seconds(() => session.chat("Is room 3 open?", { ...greedy, max_tokens: 1 }));
  const [saving, saved] = await seconds(() => session.save());
  const { text } = await session.chat("When?", greedy);
  await model.dispose();
  const other = await load("/model.gguf", { contextLength: 2048, ...options });
  const [restoring, restored] = await seconds(() => other.restore("measured"));
  const [, again] = await seconds(() => restored.chat("When?", greedy));
  await other.dispose();
  await store.deleteSession("measured");
  const { refused, tokens } = restored.restored;
  const { prompt_tokens, prompt_tokens_details } = again.usage;
  const computed = prompt_tokens - prompt_tokens_details.cached_tokens;
  return {
    prompt: first.usage.prompt_tokens,
    read,
    saving,
    saved,
    restoring,
    refused,
    tokens,
    same: text === again.text,
    computed,
  };
}

await tool(() =>
  inBrowser({ tokens: "1000", rounds: "3" }, async (page, values, options) => {
    const rounds = [];
    for (let i = 0; i < Number(values.rounds); i++)
      rounds.push(await page.evaluate(inPage, { ...options, wanted: Number(values.tokens) }));
    const wrong = rounds.find(({ same, refused, tokens, saved }) => !same || refused || tokens !== saved.tokens);
    if (wrong) throw new Stop(`The session went on otherwise: ${JSON.stringify(wrong)}`);
    const of = (name) => median(rounds.map((round) => round[name])).toFixed(3);
    const { prompt, saved, computed } = rounds[0];
    console.log(`${basename(values.model)}, ${values.backend}: ${prompt} tokens read, ${saved.tokens} saved`);
    console.table([
      {
        "prefill, s": of("read"),
        "save, s": of("saving"),
        "restore, s": of("restoring"),
        MB: (saved.bytes / 1e6).toFixed(1),
        "tokens computed after": computed,
      },
    ]);
  }),
);
