// `npm start`: builds the package, fetches the default model once, serves the chat page.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { startChat } from "./chat-server.mjs";
import { fetchModel } from "./fetch-models.mjs";
import { ROOT, ensurePackages, hasCargo, tool } from "./setup.mjs";

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
  console.log(`\n  Sotto is at ${url}\n  Ctrl+C ends it.\n`);
});
