// How long a search in vectors takes, beside a plain loop in JavaScript over the same numbers, in turns in one page of headless
// Chromium, by the built package.
//   node tools/eval/search.mjs [--count 100000] [--dimensions 384] [--rounds 20]
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launchBrowser } from "../browser.mjs";
import { serve } from "../serve.mjs";
import { ROOT, tool } from "../setup.mjs";

/** Runs inside the page. */
async function measure({ count, dimensions, rounds }) {
  const { createSearch } = await import("/dist/pieces/search.js");
  const vector = () => Float32Array.from({ length: dimensions }, () => Math.random() - 0.5);
  const unit = (values) => {
    const length = Math.hypot(...values);
    return values.map((value) => value / length);
  };
  const search = await createSearch();
  const all = new Float32Array(count * dimensions);
  const started = performance.now();
  for (let at = 0; at < count; at += 1000) {
    const documents = Array.from({ length: 1000 }, (_, i) => ({ id: `${at + i}`, text: "", vector: unit(vector()) }));
    for (const [i, document] of documents.entries()) all.set(document.vector, (at + i) * dimensions);
    await search.add(documents);
  }
  const added = performance.now() - started;
  const loop = (query) => {
    const scores = Array.from({ length: count }, (_, row) => {
      let sum = 0;
      for (let i = 0, at = row * dimensions; i < dimensions; i++) sum += all[at + i] * query[i];
      return { row, sum };
    });
    return scores.sort((a, b) => b.sum - a.sum).slice(0, 10);
  };
  const times = { search: [], loop: [] };
  for (let round = 0; round < rounds; round++) {
    const query = unit(vector());
    const [a, found, b, wanted, c] = [
      performance.now(),
      await search.find({ vector: query }, { by: "meaning" }),
      performance.now(),
      loop(query),
      performance.now(),
    ];
    times.search.push(b - a);
    times.loop.push(c - b);
    const same = found.every(
      ({ id, similarity }, i) => Math.abs(similarity - wanted[i].sum) < 1e-5 && (id === `${wanted[i].row}` || i > 0),
    );
    if (!same) throw new Error("the search and the loop differ");
  }
  return { times, added, bytes: search.bytes };
}

const spread = (list) => {
  const sorted = list.toSorted((a, b) => a - b);
  return [sorted[list.length >> 1], sorted[0], sorted.at(-1)].map((ms) => ms.toFixed(1));
};

await tool(async () => {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: "100000" },
      dimensions: { type: "string", default: "384" },
      rounds: { type: "string", default: "20" },
    },
  });
  const options = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)]));
  const server = await serve({
    "/dist/": join(ROOT, "dist"),
    "/": (_request, response) => response.setHeader("content-type", "text/html").end("<!doctype html>"),
  });
  const { browser, page } = await launchBrowser(server.url);
  try {
    const { times, added, bytes } = await page.evaluate(measure, options);
    console.log(
      `${options.count} vectors of ${options.dimensions} numbers, ${(bytes / 1e6).toFixed(0)} MB, added in ${added.toFixed(0)} ms`,
    );
    for (const [name, list] of Object.entries(times)) {
      const [median, least, most] = spread(list);
      console.log(`${name.padEnd(8)} ${median} ms (${least} to ${most})`);
    }
  } finally {
    await browser.close();
    server.close();
  }
});
