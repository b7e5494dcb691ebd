// `npm run -s generate|chat|score|embed|rerank|classify|fill-mask|bench|tokenize|template|inspect -- …`: the built package in
// headless Chromium, through its worker and wasm as in a page. `cargo run --bin sotto` takes the same flags and prints the
// same JSON.
import { COMMANDS } from "./cli/commands.mjs";
import { readFlags } from "./cli/flags.mjs";
import { help, overview } from "./cli/help.mjs";
import { openPage } from "./cli/page.mjs";
import { out } from "./cli/print.mjs";
import { Stop, tool } from "./setup.mjs";

await tool(async () => {
  const [name, ...args] = process.argv.slice(2);
  if (["--help", "-h", "help"].includes(name)) return out.log(overview(COMMANDS));
  const known = Object.keys(COMMANDS).join(", ");
  if (name === undefined) throw new Stop(`no command was given; the commands are ${known}; see --help.`);
  if (!Object.hasOwn(COMMANDS, name)) throw new Stop(`there is no command "${name}"; the commands are ${known}.`);
  const command = COMMANDS[name];
  const values = readFlags(command, args);
  if (values.help) return out.log(help(name, command));
  const work = command.prepare(values);
  await openPage(values, command, work);
});
