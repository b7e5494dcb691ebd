/** The headless commands, and that they agree with the native ones. */
import { copyFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BATCH, CHATS, FOLDER, TEMPLATE, VOCABULARY, json, sotto, writeFiles } from "./commands.js";
import { expect, test, tinyModel } from "./servers.js";

test.beforeAll(writeFiles);

interface Scored {
  name: string;
  tokens: number[];
  nll_mean: number;
  top: [number, number][];
}

const AGREE = [
  ["llama-f32", "webgpu"],
  ["gemma3-mixed", "webgpu"],
  ["mpt", "webgpu"],
  ["stablelm/each", "webgpu"],
  ["llama-f32", "cpu"],
  ["llama-mixed", "cpu"],
  ["qwen2-mixed", "cpu"],
  ["gemma3-mixed", "cpu"],
] as const;

test("a request gets one answer, in the browser and natively", () => {
  const request = {
    messages: [{ role: "user", content: [{ type: "text", text: "the cat" }] }],
    max_completion_tokens: 6,
    temperature: 0,
    n: 2,
    logprobs: true,
    logit_bias: { 7: -100 },
    stream_options: { include_usage: true },
    model: "any",
  };
  const file = join(FOLDER, "request.json");
  writeFileSync(file, JSON.stringify(request));
  const args = ["chat", "--model", tinyModel("llama-f32"), "--backend", "cpu", "--request", file];
  const plain = (line: string) => {
    const { id, created, ...answer } = JSON.parse(line, (_, value) =>
      typeof value === "number" ? Number(value.toFixed(3)) : value,
    );
    expect([typeof id, typeof created]).toEqual(["string", "number"]);
    return answer;
  };
  for (const more of [[], ["--stream"]]) {
    const [web, native] = (["web", "native"] as const).map((where) => {
      const { stdout, stderr, status } = sotto(where, [...args, ...more]);
      expect(status, stderr).toBe(0);
      return stdout.trim().split("\n").map(plain);
    });
    expect(web).toEqual(native);
    expect(web!.length > 1).toBe(more.length > 0);
  }
  writeFileSync(file, JSON.stringify({ ...request, maxTokens: 5 }));
  for (const where of ["web", "native"] as const) {
    const { stderr, status } = sotto(where, args);
    expect(status).toBe(1);
    expect(stderr).toContain("did you mean max_tokens? (bad_option)");
  }
});

for (const [name, backend] of AGREE) {
  test(`${name} on ${backend}: the browser and the native program agree`, () => {
    const args = ["--model", tinyModel(name), "--batch", BATCH, "--backend", backend];
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

for (const backend of ["webgpu", "cpu"]) {
  test(`embed, rerank, classify and fill-mask on ${backend}: the browser and the native program agree`, () => {
    const both = (command: string, name: string, batch: string) => {
      const args = [command, "--model", tinyModel(name), "--batch", batch, "--backend", backend];
      return [json("web", args), json("native", args)] as Record<string, unknown>[][];
    };
    const flat = (value: unknown): number[] => [value].flat(3).filter((part) => typeof part === "number");
    const queries = join(FOLDER, "queries.json");
    writeFileSync(queries, JSON.stringify([{ name: "q", query: "the fox", documents: ["quick brown fox", "hello"] }]));
    const masked = join(FOLDER, "masked.json");
    const texts = ["the quick [MASK] fox", "Hello, [MASK]!", "[MASK]"];
    writeFileSync(masked, JSON.stringify(texts.map((text, i) => ({ name: `text ${i}`, text }))));
    for (const [command, name, batch, member] of [
      ["fill-mask", "bert/words", masked, "top"],
      ["fill-mask", "modern-bert/words", masked, "top"],
      ["embed", "bert", BATCH, "embedding"],
      ["embed", "jina-bert-v2", BATCH, "embedding"],
      ["embed", "gemma-embedding", BATCH, "embedding"],
      ["rerank", "bert/rank", queries, "scores"],
      ["classify", "bert/labels", BATCH, "labels"],
    ] as const) {
      const [web, native] = both(command, name, batch);
      expect(native!.length).toBe(batch === queries ? 1 : 3);
      for (const [i, expected] of native!.entries()) {
        expect({ ...web![i], [member]: 0 }).toEqual({ ...expected, [member]: 0 });
        const [got, want] = [flat(web![i]![member]), flat(expected[member])];
        expect(got.length).toBe(want.length);
        for (const [j, number] of want.entries()) expect(Math.abs(got[j]! - number)).toBeLessThan(1e-3);
      }
    }
  });
}

test("generate: one JSON value with every field; text streams without --json", () => {
  const args = [
    "generate",
    "--model",
    tinyModel("llama-f32"),
    "--prompt",
    "the cat",
    "--raw",
    "--temperature",
    "0",
    "--max-tokens",
    "6",
  ];
  const result = json("web", args) as { [key: string]: unknown; text: string; tokens: number[] };
  expect(Object.keys(result)).toEqual([
    "prompt_tokens",
    "tokens",
    "text",
    "finish_reason",
    "timings",
    "memory",
    "backend",
    "adapter",
    "stats",
  ]);
  expect(Object.keys(result.timings as object)).toEqual([
    "load_ms",
    "ttft_ms",
    "prefill_tps",
    "decode_tps",
    "drafted_tokens",
    "accepted_tokens",
  ]);
  expect(Object.keys(result.memory as object)).toEqual(["wasm_peak_bytes", "gpu_bytes"]);
  const plain = sotto("web", args);
  expect(plain.status).toBe(0);
  expect(plain.stdout.trim()).toBe(result.text.trim());
  const native = json("native", args) as typeof result;
  expect(Object.keys(native)).toEqual(Object.keys(result));
  expect(native.tokens).toEqual(result.tokens);
});

for (const backend of ["webgpu", "cpu"])
  test(`bench on ${backend}: the same fields as the native one`, () => {
    const args = [
      "bench",
      "--model",
      tinyModel("llama-f32"),
      "--backend",
      backend,
      "--prompt-tokens",
      "32",
      "--gen-tokens",
      "8",
      "--runs",
      "1",
    ];
    const [web, native] = [json("web", args), json("native", args)] as Record<string, unknown>[];
    expect(Object.keys(web!)).toEqual(Object.keys(native!));
    const measured = [
      "prefill_tps",
      "decode_tps",
      "load_ms",
      "ttft_ms",
      "host_peak_bytes",
      "decode_gbps",
      ...(backend === "webgpu" ? ["gpu_bytes", "encode_us"] : []),
    ];
    for (const result of [web!, native!]) expect(result.backend).toBe(backend);
    if (backend === "cpu")
      for (const { adapter, gpu_bytes, encode_us } of [web!, native!])
        expect([adapter, gpu_bytes, encode_us]).toEqual([null, 0, null]);
    for (const name of [...measured, "wasm_peak_bytes", "second_load_ms"]) expect(web![name], name).toBeGreaterThan(0);
    for (const name of measured) expect(native![name], name).toBeGreaterThan(0);
    for (const name of ["dispatches_per_token", "weight_bytes_per_token", "kv_bytes_per_token"])
      expect(web![name], name).toBe(native![name]);
  });

test("bench: several prompt lengths, and every kernel where the adapter can time them", () => {
  const common = [
    "bench",
    "--model",
    tinyModel("llama-f32"),
    "--prompt-tokens",
    "8,40",
    "--gen-tokens",
    "2",
    "--runs",
    "1",
  ];
  for (const [where, backend] of [
    ["web", "webgpu"],
    ["native", "webgpu"],
    ["web", "cpu"],
    ["native", "cpu"],
  ] as const) {
    const args = [...common, "--backend", backend];
    const { lengths, prefill_tps } = json(where, args) as {
      lengths: { prompt_tokens: number; prefill_tps: number }[];
      prefill_tps: number;
    };
    expect(lengths.map(({ prompt_tokens }) => prompt_tokens)).toEqual([8, 40]);
    expect(lengths[0]!.prefill_tps).toBe(prefill_tps);
    const plain = sotto(where, args);
    expect(plain.status, plain.stderr).toBe(0);
    for (const name of ["decode_tps", "ttft_ms", "weight_bytes_per_token"])
      expect(plain.stdout).toMatch(new RegExp(`^${name} +[0-9]`, "m"));
    const { status, stdout, stderr } = sotto(where, [...args, "--profile", "--json"]);
    if (backend === "webgpu" && status !== 0) {
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toMatch(/timestamps.*\(bad_option\)/);
      continue;
    }
    const { profile, dispatches_per_token } = JSON.parse(stdout) as {
      profile: Record<"decode" | "prefill", Pass>;
      dispatches_per_token: number;
    };
    // The forward pass; the two dispatches of a greedy choice are behind it.
    expect(sum(profile.decode, "calls")).toBe(dispatches_per_token - 2);
    for (const pass of [profile.decode, profile.prefill]) {
      expect(pass.kernels_us).toBeGreaterThan(0);
      expect(sum(pass, "us")).toBeCloseTo(pass.kernels_us, 3);
      expect(sum(pass, "share")).toBeCloseTo(1, 6);
    }
  }
});

interface Pass {
  kernels_us: number;
  kernels: { calls: number; us: number; share: number }[];
}

function sum({ kernels }: Pass, member: "calls" | "us" | "share"): number {
  return kernels.reduce((sum, kernel) => sum + kernel[member], 0);
}

const TEXT_COMMANDS: [string, string[]][] = [
  ["tokenize", ["--model", VOCABULARY, "--batch", BATCH]],
  ["tokenize", ["--model", VOCABULARY, "--text", "the cat</s>", "--special"]],
  ["tokenize", ["--model", VOCABULARY, "--text", "the cat</s>", "--parse-special"]],
  ["template", ["--template", TEMPLATE, "--batch", CHATS]],
  ["template", ["--model", VOCABULARY, "--batch", CHATS]],
  ["inspect", ["--model", VOCABULARY]],
];

for (const [command, args] of TEXT_COMMANDS)
  test(`${command} ${args.filter((arg) => arg.startsWith("-")).join(" ")}: the same JSON here and natively`, () => {
    const [web, native] = [json("web", [command, ...args]), json("native", [command, ...args])] as unknown[];
    expect(web).toEqual(native);
    expect(JSON.stringify(web).length).toBeGreaterThan(20);
  });

test("a model in several files is found by the first one's name, and named where it is cut", () => {
  const parts = [1, 2].map((no) => {
    const path = join(FOLDER, `parts-0000${no}-of-00002.gguf`);
    copyFileSync(tinyModel(`llama-mixed@${no}of2`), path);
    return path;
  });
  const args = ["--model", parts[0]!, "--backend", "cpu"];
  const scored = (where: "web" | "native") => json(where, ["score", ...args, "--text", "the cat"]) as Scored;
  expect(scored("web").tokens).toEqual(scored("native").tokens);
  type Inspected = { verdict: { runs: boolean; findings: { code: string; sentence: string }[] } };
  const inspected = () => json("web", ["inspect", ...args]) as Inspected;
  expect(inspected().verdict.runs).toBe(true);
  truncateSync(parts[1]!, statSync(parts[1]!).size - 1000);
  const { runs, findings } = inspected().verdict;
  expect([runs, findings[0]!.code]).toEqual([false, "truncated"]);
});

test("the text commands say what they found", () => {
  const [plain, all, refused, none, odd, wrong] = json("web", [
    "template",
    "--template",
    TEMPLATE,
    "--batch",
    CHATS,
  ]) as {
    text?: string;
    error?: { code: string; message: string };
  }[];
  expect(plain!.text).toBe("user: Grüße 🙂\n");
  expect(all!.text).toBe('<s>user: Grüße 🙂\n[{"a": 1}] in 1970');
  expect(refused!.error!.code).toBe("bad_template");
  expect([none!.error!.code, odd!.error!.code, wrong!.error!.code]).toEqual(Array(3).fill("bad_option"));
  expect(odd!.error!.message).toBe("variable is not an option of renderChat; did you mean variables?");
  expect(wrong!.error!.message).toBe('addGenerationPrompt is "yes"; give true or false.');
  const header = json("web", ["inspect", "--model", tinyModel("llama-f32")]) as Record<string, unknown>;
  expect(header).toMatchObject({
    architecture: "llama",
    n_tensors: 30,
    context_length: 512,
    tokenizer: { pre: "smollm" },
  });
  const listed = sotto("web", ["inspect", "--model", VOCABULARY]);
  expect(listed.stdout).toMatch(/^architecture +"llama"$/m);
});
