/** What tests of the headless commands run and read. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../tools/setup.mjs";
import { expect, test, tinyModel } from "./servers.js";

/** Of this worker of the tests: two may write at the same time. */
export const FOLDER = join(ROOT, "test-results", "cli", process.env.TEST_WORKER_INDEX ?? "0");
export const BATCH = join(FOLDER, "batch.json");
export const CHATS = join(FOLDER, "chats.json");
export const TEMPLATE = join(FOLDER, "template.jinja");
export const VOCABULARY = join(FOLDER, "vocabulary.gguf");
/** No UTF-8. */
export const LATIN = join(FOLDER, "latin.txt");

/** What the commands of the tests read. */
export function writeFiles(): void {
  mkdirSync(FOLDER, { recursive: true });
  const texts = {
    short: "the cat",
    long: "The quick brown fox jumps over the lazy dog. ".repeat(3),
    other: "Grüße, 世界 🙂\n\tx = 1",
  };
  writeFileSync(BATCH, JSON.stringify(Object.entries(texts).map(([name, text]) => ({ name, text }))));
  const messages = [{ role: "user", content: "Grüße 🙂" }];
  const chats = [
    { name: "plain", messages },
    { name: "all", messages, tools: [{ a: 1 }], add_generation_prompt: true, variables: { bos_token: "<s>" }, now: 0 },
    { name: "refused", messages: [{ role: "tool", content: "x" }] },
    { name: "none" },
    { name: "odd", messages, variable: {} },
    { name: "wrong", messages, add_generation_prompt: "yes" },
  ];
  writeFileSync(CHATS, JSON.stringify(chats));
  writeFileSync(
    TEMPLATE,
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}" +
      "{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}{{ tools | tojson }} in {{ strftime_now('%Y') }}{% endif %}",
  );
  // The same metadata, and no tensor.
  writeFileSync(VOCABULARY, readFileSync(tinyModel("llama-spm-f32")).fill(0, 8, 16));
  writeFileSync(LATIN, Buffer.from("Gr\xfc\xdfe", "latin1"));
  writeFileSync(join(FOLDER, "page.gguf"), "<!doctype html><title>no model</title>");
}

/** The native program: the whole suite has built it; else cargo does. */
const NATIVE = process.env.SOTTO_BINARY
  ? [process.env.SOTTO_BINARY]
  : ["cargo", "run", "-q", "--release", "--bin", "sotto", "--"];

/** Runs a command to its end. */
export function sotto(
  where: "web" | "native",
  args: string[],
): { stdout: string; stderr: string; status: number | null } {
  const env = { ...process.env, SOTTO_ADAPTER: test.info().project.name };
  const options = { cwd: ROOT, encoding: "utf8" as const, env };
  const [program, ...first] = where === "web" ? [process.execPath, "tools/cli.mjs"] : NATIVE;
  return spawnSync(program!, [...first, ...args], options);
}

/** The one JSON value that a command prints. */
export function json(where: "web" | "native", args: string[]): never {
  const { stdout, stderr, status } = sotto(where, [...args, "--json"]);
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as never;
}

/** A command with its ends in our hands; `status` is what a shell would see. */
export function started(args: string[], stdout: "pipe" | number, env: NodeJS.ProcessEnv = {}) {
  const options = { cwd: ROOT, env: { ...process.env, SOTTO_ADAPTER: test.info().project.name, ...env } };
  const child = spawn(process.execPath, ["tools/cli.mjs", ...args], { ...options, stdio: ["ignore", stdout, "pipe"] });
  let stderr = "";
  child.stderr!.on("data", (piece) => (stderr += piece));
  const ended = new Promise<{ status: number | null; stderr: string }>((resolve) =>
    child.on("close", (status) => resolve({ status, stderr })),
  );
  return { child, ended };
}
