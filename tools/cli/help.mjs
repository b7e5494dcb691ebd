// What `--help` prints.
import { options } from "./flags.mjs";

/** The flags that no schema states. */
const OWN = {
  model: ["FILE_OR_URL", "a GGUF file, its address, or hf:OWNER/NAME:Q4_K_M (with HF_TOKEN, if set)"],
  adapter: ["FILE_OR_URL[=SCALE]", "a LoRA adapter, GGUF or PEFT's folder; may be given several times"],
  prompt: ["TEXT", "what the reply answers"],
  "prompt-file": ["FILE", "the same, in a file of UTF-8"],
  text: ["TEXT", "the text to work on"],
  "text-file": ["FILE", "the same, in a file of UTF-8"],
  batch: ["FILE.json", "several at once: a list of objects, each with its name"],
  request: ["FILE.json", "a request in OpenAI's shape"],
  stream: ["", "prints the answer's chunks, one a line, as they come"],
  special: ["", "both --add-special and --parse-special"],
  template: ["FILE.jinja", "a chat template"],
  json: ["", "prints exactly one JSON value"],
  help: ["", "prints this"],
};

/** The commands, one a line. */
export function overview(commands) {
  const lines = Object.entries(commands).map(([name, { about }]) => `  ${name.padEnd(10)} ${about}`);
  return `The built package in headless Chromium.

Usage: npm run -s COMMAND -- [FLAGS]

${lines.join("\n")}

npm run -s COMMAND -- --help lists the flags of a command. docs/USAGE.md says more.`;
}

/** The flags of a command, one a line. */
export function help(name, command) {
  const own = [...command.texts, ...(command.lists ?? []), ...(command.switches ?? []), "json", "help"].map((flag) => {
    const [value, about] = OWN[flag];
    return row(`--${flag} ${value}`, about);
  });
  const calls = (command.calls ?? []).map((call) => {
    const flags = options({ calls: [call] }).map((option) => row(`--${option.flag} ${valueFor(option)}`, more(option)));
    return `\nOptions of ${call}; docs/OPTIONS.md says what each means:\n${flags.join("\n")}\n`;
  });
  return `${command.about}.

Usage: npm run -s ${name} -- ${command.usage} [FLAGS]

${own.join("\n")}
${calls.join("")}`.trimEnd();
}

const row = (flag, about) => `  ${flag.trim().padEnd(30)} ${about}`.trimEnd();

function valueFor({ form, schema }) {
  const either = schema.anyOf?.map(({ enum: names }) => names?.join("|") ?? "N").join("|");
  const values = { on: "", off: "", onoff: "on|off", name: schema.enum?.join("|"), either, numbers: "N[,N]…" };
  return { ...values, number: "N", json: "JSON" }[form] ?? "TEXT";
}

function more({ form, schema }) {
  if (form === "texts") return "may be given several times";
  const { default: standard } = schema;
  return ["string", "number"].includes(typeof standard) ? `by default ${standard}` : "";
}
