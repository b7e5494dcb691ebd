// llama.cpp goes on greedily from prompts: `node tools/eval/llama-cpp.mjs MODEL.gguf PROMPTS.json TOKENS`, where PROMPTS is
// what `sotto template --json` prints. Each reply is a line of JSON. Its engine comes from npm, into target/llama-cpp, once.
// It computes on one thread: its threads wait for each other without rest, and where other work has a core, for minutes.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { TARGET, run, tool } from "../setup.mjs";

const VERSION = "3.21.1";

async function library() {
  const folder = join(TARGET, "llama-cpp");
  const entry = join(folder, "node_modules", "node-llama-cpp", "dist", "index.js");
  if (!existsSync(entry)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), "{}");
    // Built engines are packages of their own: no script need be run.
    const flags = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder];
    run("npm", ["install", ...flags, `node-llama-cpp@${VERSION}`]);
  }
  return import(pathToFileURL(entry).href);
}

await tool(async () => {
  const [model, prompts, tokens] = process.argv.slice(2);
  const { getLlama, LlamaCompletion } = await library();
  const llama = await getLlama({ gpu: false, build: "never", logLevel: "error", progressLogs: false });
  const loaded = await llama.loadModel({ modelPath: resolve(model) });
  const context = await loaded.createContext({ contextSize: 4096, threads: 1 });
  const completion = new LlamaCompletion({ contextSequence: context.getSequence() });
  for (const { name, text } of JSON.parse(readFileSync(prompts, "utf8"))) {
    const ids = loaded.tokenize(text, true);
    const reply = await completion.generateCompletion(ids, { maxTokens: Number(tokens), temperature: 0 });
    console.log(JSON.stringify({ name, text: reply }));
  }
  await llama.dispose();
});
