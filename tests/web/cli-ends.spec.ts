/** How the headless commands fail, and how they are ended. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { serve } from "../../tools/serve.mjs";
import { BATCH, CHATS, FOLDER, LATIN, TEMPLATE, VOCABULARY, sotto, started, writeFiles } from "./commands.js";
import { expect, test, tinyModel } from "./servers.js";

test.beforeAll(writeFiles);

test("failures: exit code 1, one clear line, nothing on stdout", () => {
  const model = tinyModel("llama-f32");
  const cases: [string[], RegExp][] = [
    [["score", "--model", join(FOLDER, "none.gguf"), "--text-file", BATCH], /there is no file/],
    [["score", "--model", join(FOLDER, "page.gguf"), "--text-file", BATCH], /not_gguf/],
    [["score", "--model", "http://127.0.0.1:9/x.gguf", "--text-file", BATCH], /network/],
    [["score", "--model", model, "--text-file", join(FOLDER, "none.txt")], /cannot read/],
    [["generate", "--model", model, "--prompt", "x", "--temperature", "-1"], /bad_option/],
    [["generate", "--model", model, "--prompt", "x", "--top-k", "many"], /needs a number/],
    [["bench", "--model", model, "--prompt-tokens", "8,x"], /needs a number/],
    [["bench", "--model", model, "--prompt-tokens", "8,100000"], /bad_option/],
    [["generate", "--model", model], /one of --prompt/],
    // cspell:ignore modle
    [["generate", "--modle", model], /Unknown option/],
    [["generate", "--model", model, "--prompt", "x", "--backend", "gpu"], /--backend is one of auto, webgpu, cpu/],
    [["tokenize", "--model", VOCABULARY], /one of --text/],
    [["tokenize", "--model", join(FOLDER, "page.gguf"), "--text", "x"], /not_gguf/],
    [["template", "--batch", CHATS], /one of --template and --model/],
    [["template", "--template", TEMPLATE, "--batch", TEMPLATE], /is not JSON/],
    [["inspect"], /--model is missing/],
    [["inspect", "--model", FOLDER], /is a folder; give the \.gguf file in it\./],
    [["generate", "--model", model, "--prompt-file", FOLDER], /is a folder; give a file\./],
    [["generate", "--model", model, "--prompt-file", LATIN], /latin\.txt is not text in UTF-8/],
    [["generate", "--model", model, "--prompt", "x", "--prompt-file", LATIN], /--prompt and --prompt-file do not go/],
    [["tokenize", "--model", model, "--text", "x", "--batch", BATCH], /--text and --batch do not go together/],
    [["template", "--model", model, "--template", TEMPLATE, "--batch", CHATS], /--template and --model do not go/],
    [["chat", "--model", model, "--batch", CHATS, "--stream"], /--stream and --batch do not go together/],
    [["generate", "--model", model, "--prompt", "x", "--prompt", "y"], /--prompt was given 2 times/],
    [["generate", "--model", model, "--prompt", "x", "--context-length", "9999"], /--context-length is 9999, but/],
    [
      ["generate", "--model", model, "--prompt", "x ".repeat(999)],
      /with a larger --context-length\. \(prompt_too_long\)/,
    ],
    [["tokenize", "--model", "hf:owner", "--text", "x"], /names no file on a hub/],
    [["dance"], /there is no command "dance"; the commands are generate, chat/],
    [[], /Unknown|there is no command "--json"/],
  ];
  for (const [args, says] of cases) {
    const { stdout, stderr, status } = sotto("web", [...args, "--json"]);
    expect({ status, stdout }, args.join(" ")).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(/^error: .*\n$/);
    expect(stderr.split("--help").length, stderr).toBeLessThan(3);
    expect(stderr).toMatch(says);
  }
});

test("help: every command on a line, every flag of a command on its own, and exit code 0", () => {
  for (const args of [["--help"], ["-h"]]) {
    const { stdout, stderr, status } = sotto("web", args);
    expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
    expect(stdout).toMatch(/^ {2}generate +Streams text after a prompt$/m);
    expect(stdout.split("\n").every((line) => line.length <= 120)).toBe(true);
  }
  const commands = ["generate", "chat", "score", "embed", "rerank", "classify", "fill-mask", "bench"];
  for (const command of [...commands, "tokenize", "template", "inspect"]) {
    const { stdout, status } = sotto("web", [command, "--help"]);
    expect(status).toBe(0);
    expect(stdout).toContain(`Usage: npm run -s ${command} -- `);
    expect(stdout).toMatch(/^ {2}--model FILE_OR_URL +\S/m);
    expect(stdout).not.toContain("undefined");
    expect(stdout.split("\n").every((line) => line.length <= 120)).toBe(true);
  }
  expect(sotto("web", ["generate", "--help"]).stdout).toMatch(/^ {2}--speculate auto\|off\|N +by default auto$/m);
});

/** Processes whose parents lead to it, its browser among them. */
function below(pid: number): number[] {
  const { stdout } = spawnSync("ps", ["-eo", "pid=,ppid="], { encoding: "utf8" });
  const all = stdout
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/ +/).map(Number) as [number, number]);
  const found = [pid];
  for (const parent of found) found.push(...all.filter(([, of]) => of === parent).map(([child]) => child));
  return found.slice(1);
}

const isThere = (pid: number) => {
  try {
    // One that has ended and was not waited for yet is there, too, and no process any more.
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};

test("a signal ends a command quietly, while its browser starts and after, and the browser with it", async () => {
  test.skip(process.platform !== "linux", "it looks into /proc");
  const args = ["generate", "--model", tinyModel("llama-f32"), "--prompt", "the cat", "--max-tokens", "200"];
  for (const [signal, status] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)
    for (const moment of ["starts", "runs"]) {
      const { child, ended } = started(args, "pipe");
      // The browser's own processes come one after the other; the reply, once it is there.
      if (moment === "runs") await once(child.stdout!, "data");
      else while (below(child.pid!).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      const browser = below(child.pid!);
      child.kill(signal);
      expect(await ended, `${signal} while it ${moment}`).toEqual({ status, stderr: "" });
      await expect.poll(() => browser.filter(isThere), `${signal} while it ${moment}`).toEqual([]);
    }
});

test("a reader that goes away ends a command quietly; a full disk, with a sentence", async () => {
  const model = tinyModel("llama-f32");
  const commands = [
    ["generate", "--model", model, "--prompt", "the cat", "--max-tokens", "9"],
    ["tokenize", "--model", model, "--text", "the cat", "--json"],
    ["inspect", "--model", model],
    ["--help"],
  ];
  for (const args of commands) {
    const { child, ended } = started(args, "pipe");
    child.stdout!.destroy();
    expect(await ended, args[0]).toEqual({ status: 141, stderr: "" });
    if (process.platform !== "linux") continue;
    const full = openSync("/dev/full", "w");
    const says = "error: what the command prints could not be written (ENOSPC).\n";
    expect(await started(args, full).ended, args[0]).toEqual({ status: 1, stderr: says });
    closeSync(full);
  }
});

test("hf: addresses are looked up on the hub", async () => {
  const file = readFileSync(tinyModel("llama-f32"));
  const asked: (string | undefined)[] = [];
  const hub = await serve({
    "/api/models/owner/name/tree/main": (request: IncomingMessage, response: ServerResponse) => {
      asked.push(request.headers.authorization);
      response.setHeader("access-control-allow-origin", "*").setHeader("access-control-allow-headers", "*");
      if (request.method === "OPTIONS") return void response.end();
      response.end(JSON.stringify([{ type: "file", path: "tiny-F32.gguf", size: file.length }]));
    },
    "/owner/name/resolve/main/tiny-F32.gguf": (request: IncomingMessage, response: ServerResponse) => {
      response.setHeader("access-control-allow-origin", "*").setHeader("access-control-allow-headers", "*");
      response.end(request.method === "OPTIONS" ? "" : file);
    },
  });
  const env = { HF_ENDPOINT: hub.url, HF_TOKEN: "secret" };
  const run = async (args: string[]) => {
    const { child, ended } = started(args, "pipe", env);
    let stdout = "";
    child.stdout!.on("data", (piece) => (stdout += piece));
    return { ...(await ended), stdout };
  };
  const args = ["--model", "hf:owner/name:F32", "--json"];
  const texts = await run(["tokenize", ...args, "--text", "the cat"]);
  expect(texts).toMatchObject({ status: 0, stderr: "" });
  expect(JSON.parse(texts.stdout).pieces.join("")).toBe("theĠcat");
  const header = await run(["inspect", ...args]);
  expect(JSON.parse(header.stdout).architecture).toBe("llama");
  const scored = await run(["score", ...args, "--text", "the cat", "--backend", "cpu"]);
  expect(JSON.parse(scored.stdout).tokens.length).toBeGreaterThan(1);
  expect(asked).toContain("Bearer secret");
  const none = await run(["score", "--model", "hf:owner/name:Q4_K_M", "--text", "x"]);
  expect(none).toMatchObject({ status: 1, stdout: "" });
  expect(none.stderr).toMatch(
    /^error: owner\/name has no file for "hf:owner\/name:Q4_K_M"; it has F32\. \(bad_option\)\n$/,
  );
  hub.close();
});
