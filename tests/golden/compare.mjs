// Compares what `score` or `generate` printed with the goldens, whoever ran it:
//   sotto score    --model M --batch tests/golden/prompts.json --json > out.json
//   sotto generate --model M --batch tests/golden/prompts.json --raw --temperature 0 --max-tokens 32 --json > out.json
//   node tests/golden/compare.mjs smollm2-135m out.json
// (or `npm run -s score -- …`). Exits with 1 where ids differ, the mean NLL by over 0.2%, one of the ten best logits
// by over 0.05, or a greedy token where the golden's two best logits are 0.05 apart or more.

import { readFileSync } from "node:fs";

const [model, file] = process.argv.slice(2);
if (!file) {
  console.error("Usage: node tests/golden/compare.mjs smollm2-135m|gemma3-270m OUTPUT.json");
  process.exit(2);
}
const golden = JSON.parse(readFileSync(new URL(`${model}.json`, import.meta.url), "utf8"));
const output = [JSON.parse(readFileSync(file, "utf8"))].flat();

const same = (a, b) => a.length === b.length && a.every((id, i) => id === b[i]);
let wrong = 0;
let worstNll = 0;
let worstLogit = 0;
const tell = (bad, text) => {
  wrong += bad;
  console.log(`${bad ? "WRONG" : "ok   "} ${text}`);
};

for (const got of output) {
  const want = golden.find((g) => g.name === got.name);
  if (!want) {
    tell(true, `${got.name}: there is no golden of this name`);
    continue;
  }
  if (!same(got.prompt_tokens ?? got.tokens, want.token_ids)) tell(true, `${got.name}: the prompt's ids differ`);
  if (got.prompt_tokens) greedy(got, want);
  else score(got, want);
}
if (worstNll) console.log(`worst: mean NLL ${(100 * worstNll).toFixed(4)}%, logit ${worstLogit.toFixed(4)}`);
console.log(wrong ? `${wrong} wrong` : "all agree");
process.exit(wrong ? 1 : 0);

function score(got, want) {
  const nll = Math.abs(got.nll_mean / want.mean_nll - 1);
  const logits = new Map(got.top);
  // The tenth may have changed places with the eleventh.
  const differences = want.top10.map(([id, logit]) =>
    logits.has(id) ? Math.abs(logits.get(id) - logit) : logit - got.top[9][1],
  );
  const logit = Math.max(...differences);
  worstNll = Math.max(worstNll, nll);
  worstLogit = Math.max(worstLogit, logit);
  tell(nll > 0.002 || logit > 0.05, `${want.name}: mean NLL ${(100 * nll).toFixed(4)}%, logit ${logit.toFixed(4)}`);
}

function greedy(got, want) {
  // A generation stops at an end token, which is its last.
  const count = Math.min(got.tokens.length, want.greedy_ids.length);
  const at = got.tokens.slice(0, count).findIndex((id, i) => id !== want.greedy_ids[i]);
  if (at < 0) return tell(count === 0, `${want.name}: ${count} greedy tokens agree`);
  const gap = want.greedy_gaps[at];
  tell(gap === null || gap >= 0.05, `${want.name}: greedy token ${at} of ${count} differs, gap ${gap ?? "unknown"}`);
}
