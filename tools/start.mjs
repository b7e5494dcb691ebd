// `npm start`: builds the package, fetches the default model once, serves the chat page.
import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { startChat } from "./chat-server.mjs";
import { fetchModel } from "./fetch-models.mjs";
import { ensurePackages, tool } from "./setup.mjs";

await tool(async () => {
  const { values } = parseArgs({ options: { port: { type: "string", default: "5173" }, host: { type: "string" } } });
  ensurePackages();
  await build();
  try {
    await fetchModel("smollm2");
  } catch (error) {
    // The page works without it: any address or file can be opened.
    console.error(`The default model is missing: ${error.message}`);
  }
  const { url } = await startChat({ port: Number(values.port), host: values.host });
  console.log(`\n  Sotto is at ${url}\n  Ctrl+C ends it.\n`);
});
