// The pure parts of `npm run bench:peers`.
import { expect, test } from "vitest";
import { readArguments } from "../../tools/peers/bench.mjs";
import { median, short, summarise, table, withRatios } from "../../tools/peers/table.mjs";

const run = (prefillTps: number, decodeTps: number) => ({
  backend: "webgpu",
  adapter: "card",
  loadMs: 1000,
  readyMs: 3000,
  ttftMs: 500,
  prefillTps,
  decodeTps,
  wasmBytes: 2e7,
  gpuBytes: 1e8,
});

test("medians of odd and even counts", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

test("ratios are Sotto's rate over the peer's, and a peer that failed keeps its reason", () => {
  const rows = withRatios([
    summarise("sotto", "Sotto", [run(100, 20), run(300, 40), run(200, 30)]),
    summarise("ort", "ORT", [run(50, 60), { failed: "the page crashed" }]),
    summarise("wllama-gpu", "wllama", [{ failed: "not run: adapter lacks shader-f16" }]),
  ]);
  expect(rows[0]).toMatchObject({ runs: 3, prefillTps: 200, decodeTps: 30 });
  expect(rows[0].ratios).toBeUndefined();
  expect(rows[1]).toMatchObject({
    runs: 1,
    ratios: { prefill: 4, decode: 0.5 },
    note: "1 of 2 runs failed: the page crashed",
  });
  const lines = table(rows).split("\n");
  expect(lines).toHaveLength(5);
  expect(lines[3]).toContain("| 4.00× | 0.500× |");
  expect(lines[4]).toContain("| wllama | not run: adapter lacks shader-f16 |");
  expect(new Set(lines.map((line: string) => line.split("|").length)).size).toBe(1);
});

test("without Sotto there are no ratios", () => {
  expect(withRatios([summarise("ort", "ORT", [run(50, 60)])])[0].ratios).toBeUndefined();
});

test("a peer is compared with the first of its rivals that was measured", () => {
  const rows = withRatios([
    summarise("sotto", "Sotto", [run(100, 20)]),
    { ...summarise("sotto-cpu", "Sotto, CPU", [run(300, 40)]), rivals: [] },
    { ...summarise("wllama-2", "wllama", [run(50, 10)]), rivals: ["sotto-cpu-2", "sotto-cpu", "sotto"] },
  ]);
  expect(rows[1].ratios).toBeUndefined();
  expect(rows[2].ratios).toEqual({ prefill: 6, decode: 4 });
});

test("three digits at any size", () => {
  expect([0, 0.0169, 1.234, 123.4, 98765, NaN].map(short)).toEqual(["0", "0.0169", "1.23", "123", "98765", "–"]);
});

test("arguments: defaults, lists, and refusals that name the flag", () => {
  expect(readArguments([])).toMatchObject({ model: [], "prompt-tokens": 256, "gen-tokens": 64, runs: 3 });
  expect(readArguments(["--peers", "sotto, ort", "--runs", "5"])).toMatchObject({ peers: ["sotto", "ort"], runs: 5 });
  // cspell:ignore promt webllm
  expect(() => readArguments(["--peers", "sotto,webllm"])).toThrow('no peer "webllm"');
  expect(() => readArguments(["--runs", "0"])).toThrow("--runs");
  expect(() => readArguments(["--gen-tokens", "1"])).toThrow("--gen-tokens");
  expect(() => readArguments(["--promt-tokens", "8"])).toThrow("--promt-tokens");
});
