// What `model.prime` saves: a system text of 1,000 tokens and twenty short questions, by the built package in headless Chromium, without
// it and with it. Tells how many prompt tokens were computed in all, and when the first token came of the first question and of
// the later ones; fails where more was computed than the system text, once, and the questions.
//   node tools/eval/prime.mjs [--model FILE] [--backend cpu|webgpu] [--threads 1]
import { basename } from "node:path";
import { Stop, tool } from "../setup.mjs";
import { inBrowser, median } from "./measured.mjs";

/** Runs inside the page: one load, and all questions one after the other. */
async function inPage({ primes, ...options }) {
  const { load } = await import("/dist/index.js");
  const model = await load("/model.gguf", { contextLength: 2048, ...options });
  let content = "You answer questions about a house. ";
  for (let i = 1; (await model.tokenize(content)).length < 1000; i++)
    content += `Rule ${i}: room ${i} is open from ${7 + (i % 5)} to ${15 + (i % 6)}. `;
  const system = { role: "system", content };
  const user = (i) => ({ role: "user", content: `When is room ${i} open?` });
  const started = performance.now();
  const prefix = primes ? await model.prime([system]) : 0;
  const primeMs = performance.now() - started;
  const firsts = [];
  let asked = 0;
  for (let i = 1; i <= 20; i++) {
    const begun = performance.now();
    for await (const { text } of model.generate([system, user(i)], { temperature: 0, maxTokens: 4 })) {
      if (text && firsts.length < i) firsts.push(performance.now() - begun);
    }
    asked += await model.countTokens([system, user(i)]);
  }
  const { tokens } = await model.stats();
  await model.dispose();
  return { prefix, primeMs, firsts, asked, computed: tokens.prompt - tokens.cached };
}

await tool(() =>
  inBrowser({}, async (page, { model, backend }, options) => {
    const [plain, primed] = [false, true].map((primes) => ({ primes, ...options }));
    const rows = [await page.evaluate(inPage, plain), await page.evaluate(inPage, primed)];
    const { prefix } = rows[1];
    console.log(`${basename(model)}, ${backend}: ${prefix} tokens are shared`);
    console.table(
      rows.map(({ primeMs, firsts, asked, computed }, i) => ({
        prime: i === 1 ? `${primeMs.toFixed(0)} ms` : "no",
        "tokens asked": asked,
        "tokens computed": computed,
        "first question, ms": firsts[0].toFixed(0),
        "later ones, ms": median(firsts.slice(1)).toFixed(0),
      })),
    );
    // 20 times the system text were asked, and one is computed. A prompt's last token is computed in any case.
    const most = rows[1].asked - 19 * prefix + 20;
    if (rows[1].computed > most) throw new Stop(`${rows[1].computed} tokens were computed, and ${most} are new.`);
  }),
);
