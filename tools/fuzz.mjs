// What strangers write, mutated, until something panics, hangs or takes too much memory: `node tools/fuzz.mjs` for a minute a
// target, `node tools/fuzz.mjs header model --seconds 3600` for these and longer. The targets are in `fuzz/targets`; libFuzzer
// keeps what reaches new code in `fuzz/corpus`, and what fails in `fuzz/artifacts`.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fetchTemplates } from "./fetch-templates.mjs";
import { ROOT, Stop, run, tool } from "./setup.mjs";

const FUZZ = join(ROOT, "fuzz");
const GOLDEN = join(ROOT, "tests", "golden");
const NUL = Buffer.of(0);

/** No input may take longer, or more memory; longer ones are not made. */
const LIMITS = { timeout: 2, rss_limit_mb: 512, malloc_limit_mb: 256 };

const read = (...path) => readFileSync(join(...path));
const files = (folder, end) => readdirSync(folder).filter((name) => name.endsWith(end));

/** The tiny models of the tests, in a folder that is deleted afterwards. */
function tiny(kind, work) {
  const folder = mkdtempSync(join(tmpdir(), "sotto-fuzz-"));
  try {
    run("cargo", ["run", "-q", "--release", "-p", "tiny-models", "--", ...kind, folder]);
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Those of the tiny models: the weights behind them have nothing to say. */
const headers = () => tiny(["headers"], (folder) => files(folder, ".gguf").map((name) => read(folder, name)));

/** Of each target: what the longest input may be, and the inputs that it starts from. */
const TARGETS = {
  header: {
    longest: 1 << 16,
    seeds: () => headers().map((bytes) => Buffer.concat([Buffer.of(255), bytes])),
  },
  model: { longest: 1 << 16, seeds: headers },
  repository: {
    longest: 1 << 15,
    seeds: () =>
      ["llama-f32", "qwen3-f32", "gemma3-f32"].flatMap((name) =>
        tiny(["repository", name], (folder) => {
          const config = read(folder, "config.json");
          const weights = files(folder, ".safetensors").map((file) => read(folder, file));
          // What says how long it is, and the header.
          const header = (file) => file.subarray(0, 8 + Number(file.readBigUInt64LE()));
          return weights.map((file) => Buffer.concat([config, NUL, NUL, header(file)]));
        }),
      ),
  },
  adapter: {
    longest: 1 << 16,
    seeds: () => {
      const folder = join(GOLDEN, "adapters");
      const pairs = readdirSync(folder).filter((name) => !name.includes("."));
      const of = (name) => ["adapter_config.json", "adapter_model.safetensors"].map((file) => read(folder, name, file));
      return [
        Buffer.concat([NUL, read(folder, "llama.gguf")]),
        ...pairs.map((name) => Buffer.concat([of(name)[0], NUL, of(name)[1]])),
      ];
    },
  },
  tokenizer: {
    longest: 1 << 15,
    seeds: () => {
      const folder = join(GOLDEN, "tokenizer_json");
      const named = files(folder, ".json").filter((name) => name !== "cases.json");
      return named.map((name) => Buffer.concat([read(folder, name), NUL, Buffer.from("Hello wörld, 你好 123 🙂")]));
    },
  },
  template: {
    longest: 1 << 14,
    seeds: () => {
      fetchTemplates();
      const folder = join(ROOT, "models", "llama.cpp-templates");
      return files(folder, ".jinja").map((name) => read(folder, name));
    },
  },
  grammar: {
    longest: 1 << 12,
    seeds: () => [
      Buffer.from(
        '\0{"type":"object","properties":{"a":{"type":"integer","minimum":3},"b":{"enum":["x","y"]}},"required":["a"]}',
      ),
      Buffer.from(
        '\x04{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}],"$defs":{"n":{"type":"array","items":{"$ref":"#/$defs/n"},"maxItems":3}}}',
      ),
      Buffer.from("\x01(?:[a-z]{1,3}|\\d+(?=x))[^\\n]*"),
      Buffer.from('\x02start: "a" b+\nb: /[0-9]{2}/ | "(" b ")"\n'),
      Buffer.from('\x03root ::= item+ "\\n"\nitem ::= "- " [^\\n]{1,20}\n'),
    ],
  },
  request: {
    longest: 1 << 13,
    seeds: () => [read(ROOT, "tests", "wire", "params.json"), read(ROOT, "tests", "wire", "options.json")],
  },
};

function fuzz(name, seconds) {
  const { longest, seeds } = TARGETS[name];
  const corpus = join(FUZZ, "corpus", name);
  mkdirSync(corpus, { recursive: true });
  for (const [i, bytes] of seeds().entries()) writeFileSync(join(corpus, `seed-${i}`), bytes);
  const limits = Object.entries({ ...LIMITS, max_len: longest, max_total_time: seconds });
  const flags = [...limits.map(([name, value]) => `-${name}=${value}`), "-print_final_stats=1"];
  // Coverage wants flags that are unstable; nothing else of a nightly toolchain is needed.
  const env = { RUSTC_BOOTSTRAP: "1" };
  const command = ["fuzz", "run", "--sanitizer", "none", name, "--", ...flags];
  return run("cargo", command, { env, optional: true });
}

await tool(() => {
  const options = { seconds: { type: "string", default: "60" } };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const unknown = positionals.find((name) => !TARGETS[name]);
  if (unknown) throw new Stop(`there is no target "${unknown}"; they are ${Object.keys(TARGETS).join(", ")}.`);
  if (!/^[1-9]\d*$/.test(values.seconds)) throw new Stop("--seconds is a whole number, 1 or more.");
  if (!run("cargo", ["fuzz", "--version"], { quiet: true, optional: true }))
    run("cargo", ["install", "--locked", "cargo-fuzz"]);
  const names = positionals.length > 0 ? positionals : Object.keys(TARGETS);
  const failed = names.filter((name) => !fuzz(name, values.seconds));
  if (failed.length > 0) throw new Stop(`found by ${failed.join(", ")}: the inputs are in fuzz/artifacts.`);
});
