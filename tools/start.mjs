// `npm start`: builds the package, fetches the default model once, serves the chat page, and the documentation at /docs.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { startChat } from "./chat-server.mjs";
import { fetchModel } from "./fetch-models.mjs";
import { ROOT, ensurePackages, hasCargo, tool } from "./setup.mjs";

/** The documentation, beside the page: it takes a minute where something in it has changed. */
function buildDocs() {
  const docs = spawn(process.execPath, [join(ROOT, "tools", "site", "build.mjs")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  docs.stderr.on("data", (text) => {
    said += text;
  });
  docs.on("close", (code) => {
    if (code) console.error(`The documentation could not be built: ${said.trim().split("\n").at(-1)}`);
  });
  process.on("exit", () => docs.kill());
}

await tool(async () => {
  const { values } = parseArgs({ options: { port: { type: "string", default: "5173" }, host: { type: "string" } } });
  ensurePackages();
  if (hasCargo() || !existsSync(join(ROOT, "dist", "sotto_bg.wasm"))) await build();
  else console.error("Rust is not installed: the package is served as it was built before.");
  try {
    await fetchModel("smollm2");
  } catch (error) {
    // The page works without it: any address or file can be opened.
    console.error(`The default model is missing: ${error.message}`);
  }
  const { url } = await startChat({ port: Number(values.port), host: values.host });
  console.log(`\n  Sotto is at ${url}\n  Its documentation is at ${url}docs/\n  Ctrl+C ends it.\n`);
  buildDocs();
});
