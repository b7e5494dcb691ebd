// `npm run -s generate|chat|score|bench|tokenize|template|inspect -- …`: the built package in headless Chromium, through its
// worker and wasm as in a page. `cargo run --bin sotto` takes the same flags and prints the same JSON.
import { COMMANDS } from "./cli/commands.mjs";
import { readFlags, usage } from "./cli/flags.mjs";
import { openPage } from "./cli/page.mjs";
import { Stop, tool } from "./setup.mjs";

await tool(async () => {
  const [name, ...args] = process.argv.slice(2);
  const command = COMMANDS[name];
  if (!command) {
    const all = Object.entries(COMMANDS).map(([name, command]) => usage(name, command));
    throw new Stop(`usage: ${all.join(" | ")}`);
  }
  const values = readFlags(name, command, args);
  if (values.help) return console.log(`usage: ${usage(name, command)}`);
  const work = command.prepare(values);
  await openPage(values, work);
});
