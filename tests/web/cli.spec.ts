/** The headless commands, and that they agree with the native ones. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../tools/setup.mjs";
import { expect, test, tinyModel } from "./servers.js";

const FOLDER = join(ROOT, "test-results", "cli");
const BATCH = join(FOLDER, "batch.json");

test.beforeAll(() => {
  mkdirSync(FOLDER, { recursive: true });
  const texts = { short: "the cat", long: "The quick brown fox jumps over the lazy dog. ".repeat(3), other: "Grüße, 世界 🙂\n\tx = 1" };
  writeFileSync(BATCH, JSON.stringify(Object.entries(texts).map(([name, text]) => ({ name, text }))));
  writeFileSync(join(FOLDER, "page.gguf"), "<!doctype html><title>no model</title>");
});

function sotto(where: "web" | "native", args: string[]): { stdout: string; stderr: string; status: number | null } {
  const env = { ...process.env, SOTTO_ADAPTER: "swiftshader" };
  const options = { cwd: ROOT, encoding: "utf8" as const, env };
  return where === "web"
    ? spawnSync(process.execPath, ["tools/cli.mjs", ...args], options)
    : spawnSync("cargo", ["run", "-q", "--release", "--bin", "sotto", "--", ...args], options);
}

function json(where: "web" | "native", args: string[]): never {
  const { stdout, stderr, status } = sotto(where, [...args, "--json"]);
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as never;
}

interface Scored {
  name: string;
  tokens: number[];
  nll_mean: number;
  top: [number, number][];
}

for (const name of ["llama-f32", "llama-mixed", "qwen2-mixed", "gemma3-mixed"]) {
  test(`${name}: the browser and the native program agree`, () => {
    const args = ["--model", tinyModel(name), "--batch", BATCH];
    const [web, native] = [json("web", ["score", ...args]), json("native", ["score", ...args])] as Scored[][];
    expect(web!.map(({ name }) => name)).toEqual(["short", "long", "other"]);
    for (const [i, expected] of native!.entries()) {
      const got = web![i]!;
      expect(got.name).toBe(expected.name);
      expect(got.tokens).toEqual(expected.tokens);
      expect(Math.abs(got.nll_mean / expected.nll_mean - 1)).toBeLessThan(1e-3);
      expect(got.top.length).toBe(10);
      for (const [j, [, logit]] of expected.top.entries()) expect(Math.abs(got.top[j]![1] - logit)).toBeLessThan(0.02);
    }
  });
}

test("generate: one JSON value with every field; text streams without --json", () => {
  const args = ["generate", "--model", tinyModel("llama-f32"), "--prompt", "the cat", "--raw", "--temperature", "0", "--max-tokens", "6"];
  const result = json("web", args) as { [key: string]: unknown; text: string; tokens: number[] };
  expect(Object.keys(result)).toEqual(["prompt_tokens", "tokens", "text", "finish_reason", "timings", "memory", "adapter"]);
  expect(Object.keys(result.timings as object)).toEqual(["load_ms", "ttft_ms", "prefill_tps", "decode_tps"]);
  expect(Object.keys(result.memory as object)).toEqual(["wasm_peak_bytes", "gpu_bytes"]);
  const plain = sotto("web", args);
  expect(plain.status).toBe(0);
  expect(plain.stdout.trim()).toBe(result.text.trim());
  const native = json("native", args) as typeof result;
  expect(Object.keys(native)).toEqual(Object.keys(result));
  expect(native.tokens).toEqual(result.tokens);
});

test("bench: the same fields as the native one", () => {
  const args = ["bench", "--model", tinyModel("llama-f32"), "--prompt-tokens", "32", "--gen-tokens", "8", "--runs", "1"];
  const [web, native] = [json("web", args), json("native", args)] as Record<string, unknown>[];
  expect(Object.keys(web!)).toEqual(Object.keys(native!));
  for (const name of ["prefill_tps", "decode_tps", "load_ms", "ttft_ms", "dispatches_per_token", "wasm_peak_bytes", "gpu_bytes"]) {
    expect(web![name], name).toBeGreaterThan(0);
  }
});

test("failures: exit code 1, one clear line, nothing on stdout", () => {
  const model = tinyModel("llama-f32");
  const cases: [string[], RegExp][] = [
    [["score", "--model", join(FOLDER, "none.gguf"), "--text-file", BATCH], /there is no file/],
    [["score", "--model", join(FOLDER, "page.gguf"), "--text-file", BATCH], /not_gguf/],
    [["score", "--model", "http://127.0.0.1:9/x.gguf", "--text-file", BATCH], /network/],
    [["score", "--model", model, "--text-file", join(FOLDER, "none.txt")], /cannot read/],
    [["generate", "--model", model, "--prompt", "x", "--temperature", "-1"], /bad_option/],
    [["generate", "--model", model, "--prompt", "x", "--top-k", "many"], /needs a number/],
    [["generate", "--model", model], /one of --prompt/],
    [["generate", "--modle", model], /Unknown option/],
    [["dance"], /usage/],
  ];
  for (const [args, says] of cases) {
    const { stdout, stderr, status } = sotto("web", [...args, "--json"]);
    expect({ status, stdout }, args.join(" ")).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(/^error: .*\n$/);
    expect(stderr).toMatch(says);
  }
});
