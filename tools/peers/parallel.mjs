// `node tools/peers/parallel.mjs [--model FILE] [--threads 1,2] [--at-once 1,2,4,8] [--tokens 48] [--rounds 1]`: eight requests to one model on
// the CPU, so many at a time, by Sotto and by wllama with its four slots, in turns in one Chromium. One at a time is one after the other.
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { launchBrowser } from "../browser.mjs";
import { ROOT, tool } from "../setup.mjs";
import { openServers } from "./harness.mjs";
import { ensurePeerPackages } from "./install.mjs";
import { median, short } from "./table.mjs";

const THINGS = ["bread", "the moon", "a bicycle", "rain", "a library", "salt", "the alphabet", "a bridge"];
const PROMPTS = THINGS.map(
  (thing) => `Here is a long article about ${thing}, where it comes from and what it is for.\n\n`,
);
const CONTEXT = 2048;

/** Runs inside the page. */
async function openInPage(options) {
  globalThis.parallel = await import("/peers/parallel.js");
  globalThis.answer = await globalThis.parallel.open(options);
}

const numbers = (text) => text.split(",").map(Number);

/** A page for each engine, with the model loaded. */
async function openPages(browser, url, options) {
  const pages = {};
  for (const engine of ["sotto", "wllama"]) {
    pages[engine] = await (await browser.newContext()).newPage();
    await pages[engine].goto(url);
    await pages[engine].evaluate(openInPage, { engine, backend: "cpu", context: CONTEXT, ...options });
  }
  return pages;
}

/** What each engine took for all prompts, for each number at a time: in turns, and a list of the rounds. */
async function measureAll(pages, atOnce, rounds) {
  const found = Object.keys(pages).flatMap((engine) => atOnce.map((count) => ({ engine, count, runs: [] })));
  for (let round = 0; round < rounds; round++) {
    for (const { engine, count, runs } of found.toSorted((a, b) => a.count - b.count)) {
      const measure = ([prompts, count]) => globalThis.parallel.measure(globalThis.answer, prompts, count);
      runs.push(await pages[engine].evaluate(measure, [PROMPTS, count]));
    }
  }
  return found;
}

function rows(found, threads) {
  const rate = ({ runs }) => median(runs.map(({ tokens, seconds }) => tokens / seconds));
  return found.map((row) => {
    const serial = found.find(({ engine, count }) => engine === row.engine && count === 1);
    return {
      engine: row.engine,
      threads,
      "at a time": row.count,
      "tokens/s": short(rate(row)),
      "to one by one": serial ? `${short(rate(row) / rate(serial))}×` : "",
      "usual token, ms": short(median(row.runs.map(({ usual }) => usual))),
      "slowest, ms": short(median(row.runs.map(({ slowest }) => slowest))),
      tokens: row.runs[0].tokens,
    };
  });
}

await tool(async () => {
  const { values } = parseArgs({
    options: {
      model: { type: "string", default: join(ROOT, "models/SmolLM2-135M-Instruct.Q4_1.gguf") },
      threads: { type: "string", default: "1,2" },
      "at-once": { type: "string", default: "1,2,4,8" },
      tokens: { type: "string", default: "48" },
      rounds: { type: "string", default: "1" },
    },
  });
  await ensurePeerPackages();
  const servers = await openServers(values.model);
  const { browser } = await launchBrowser(servers.isolated.url, {});
  try {
    console.log(`${basename(values.model)}: ${PROMPTS.length} requests, at most ${values.tokens} tokens each`);
    for (const threads of numbers(values.threads)) {
      const pages = await openPages(browser, servers.isolated.url, { threads, tokens: Number(values.tokens) });
      console.table(rows(await measureAll(pages, numbers(values["at-once"]), Number(values.rounds)), threads));
      for (const page of Object.values(pages)) await page.close();
    }
  } finally {
    await browser.close();
    servers.close();
  }
});
