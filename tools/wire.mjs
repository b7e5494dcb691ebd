// `npm run wire`: writes what `sotto schema` states once for Rust, TypeScript and people: the types of options and results
// (www/wire/generated/), what a page checks its arguments by (www/wire/schema.json), docs/ERRORS.md, docs/OPTIONS.md, docs/MODELS.md
// and the README's lists of models and tensor types.
// With `-- --check` it writes nothing, and fails where a file is not fresh.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT, Stop, ensurePackages, tool } from "./setup.mjs";

const NOTE = "Generated from the Rust code by `npm run wire`: change it there (crate/wire, crate/base/error.rs).";
const GENERATED = "www/wire/generated";

/** The files of types, and what each holds: a declaration is in the first whose roots need it. */
const PARTS = {
  requests: {
    about: "What requests in OpenAI's shapes take.",
    roots: ["ChatRequest", "CompletionRequest", "SottoOptions", "SottoSampling"],
  },
  answers: {
    about: "What requests in OpenAI's shapes are answered with.",
    roots: ["ChatCompletion", "ChatCompletionChunk", "Completion"],
  },
  options: { about: "What calls take.", roots: ["Options"] },
  stats: { about: "What a model tells of what it does.", roots: ["ModelStats"] },
  results: { about: "What calls give: facts of a model, events, replies, timings.", roots: [] },
};

await tool(async () => {
  ensurePackages();
  const built = process.env.SOTTO_BINARY; // Tests have built it.
  const schema = built
    ? output(built, ["schema"])
    : output("cargo", ["run", "-q", "--release", "--bin", "sotto", "--", "schema"]);
  const { options, types, errors, architectures, tensorTypes } = JSON.parse(schema);
  const files = {
    ...(await typescript(types, errors)),
    "www/wire/schema.json": `${JSON.stringify(checks(options), null, 2)}\n`,
    "docs/ERRORS.md": errorTable(errors),
    "docs/OPTIONS.md": optionTables(options),
    "docs/MODELS.md": modelTable(architectures, tensorTypes),
    "README.md": withTypes(withModels(current("README.md"), architectures), tensorTypes),
  };
  const stale = Object.entries(files).filter(([path, text]) => text !== current(path));
  if (process.argv.includes("--check")) {
    if (stale.length > 0) throw new Stop(`not fresh: ${stale.map(([path]) => path).join(", ")}; run \`npm run wire\`.`);
    return;
  }
  for (const [path, text] of stale) {
    mkdirSync(dirname(join(ROOT, path)), { recursive: true });
    writeFileSync(join(ROOT, path), text);
    console.error(`wrote ${path}`);
  }
});

function output(command, args, input) {
  const { status, stdout, error } = spawnSync(command, args, {
    cwd: ROOT,
    encoding: "utf8",
    input,
    stdio: ["pipe", "pipe", "inherit"],
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Stop(`"${command} ${args.join(" ")}" failed${error ? ` (${error.message})` : ""}.`);
  return stdout;
}

function current(path) {
  try {
    return readFileSync(join(ROOT, path), "utf8");
  } catch {
    return undefined;
  }
}

function formatted(name, text) {
  const biome = join(ROOT, "node_modules/@biomejs/biome/bin/biome");
  return output(process.execPath, [biome, "format", `--stdin-file-path=${name}`], text);
}

/** The files of TypeScript's side: what calls take, what they give, the codes of errors; and one that names all. */
async function typescript(types, errors) {
  const { compile } = await import("json-schema-to-typescript");
  const compiled = await compile(edited(types, described), "Options", {
    additionalProperties: false,
    unreachableDefinitions: true,
    bannerComment: "",
    format: false,
  });
  const tidy = compiled
    .replaceAll(/^ \* This interface was referenced by .*\n \* via the .*\n/gm, "")
    .replaceAll(/^ \*\s*\n \*\/$/gm, " */")
    .replaceAll(/^\/\*\*\n \*\/\n/gm, "");
  // Formatted, only what begins a declaration begins a line.
  const declared = formatted("options.ts", tidy)
    .replaceAll(/^( *)\/\*\*\n +\* (.{1,104})\n +\*\/$/gm, "$1/** $2 */")
    .match(/^(\/\*\*.*\n( \*.*\n)*)?export [\s\S]*?(?=^\/\*\*|^export |(?![\s\S]))/gm)
    .map((text) => ({ name: text.match(/^export \w+ (\w+)/m)[1], text }));
  const file = (about, text) => formatted("generated.ts", `/**\n * ${about}\n *\n * ${NOTE}\n */\n\n${text}`);
  const parts = divided(declared);
  const files = Object.entries(parts).map(([name, own]) => {
    const imports = Object.entries(parts).map(([other, theirs]) =>
      imported(own, other === name ? [] : theirs.map(({ name }) => name), `./${other}.js`),
    );
    const text = `${imported(own, handwritten(), "../openai.js")}${imports.join("")}\n${texts(own)}`;
    return [`${GENERATED}/${name}.ts`, file(PARTS[name].about, text)];
  });
  const all = [...Object.keys(parts), "errors"].map((name) => `export * from "./generated/${name}.js";\n`);
  return Object.fromEntries([
    ["www/wire/generated.ts", file("The types of options, results and events, and the codes of errors.", all.join(""))],
    ...files,
    [`${GENERATED}/errors.ts`, file("The codes of errors; docs/ERRORS.md says what each means.", errorCodes(errors))],
  ]);
}

function divided(declared) {
  const left = new Set(declared);
  const take = (wanted) => {
    const taken = declared.filter((declaration) => left.has(declaration) && wanted(declaration.name));
    for (const declaration of taken) left.delete(declaration);
    return taken;
  };
  const parts = Object.entries(PARTS).map(([name, { roots }]) => {
    const reached = new Set();
    for (const root of roots) reachable(root, declared, reached);
    return [name, take((name) => roots.length === 0 || reached.has(name))];
  });
  return Object.fromEntries(parts);
}

/** An import of those names that the declarations mention. */
function imported(declarations, names, file) {
  const needed = names.filter((name) => declarations.some(({ text }) => mentions(text, name)));
  return needed.length > 0 ? `import type { ${needed.join(", ")} } from "${file}";\n` : "";
}

function errorCodes(errors) {
  const codes = errors.map(({ code }) => `  "${code}",\n`).join("");
  const shapes = Object.fromEntries(
    errors.map(({ code, openai }) => [code, openai]).filter(([, { status }]) => status !== 500),
  );
  return (
    `export const ERROR_CODES = [\n${codes}] as const;\n\nexport type ErrorCode = (typeof ERROR_CODES)[number];\n\n` +
    `/** What OpenAI's API calls them; those that are not here have status 500 and type "server_error". */\n` +
    `export const OPENAI_ERRORS: Partial<Record<ErrorCode, { status: number; type: string; code: string }>> = ` +
    `${JSON.stringify(shapes)};\n`
  );
}

/** The types that generated ones name, and TypeScript alone knows: the engine reads those values as they come. */
function handwritten() {
  return Array.from(current("www/wire/openai.ts").matchAll(/^export (?:interface|type) (\w+)/gm), ([, name]) => name);
}

function texts(declarations) {
  return declarations.map(({ text }) => text).join("\n");
}

function mentions(text, name) {
  return new RegExp(`\\b${name}\\b`).test(text.replaceAll(/\/\*[\s\S]*?\*\//g, ""));
}

/** The names that this declaration needs, its own among them. */
function reachable(name, declared, found = new Set()) {
  found.add(name);
  const { text } = declared.find((declaration) => declaration.name === name);
  for (const other of declared)
    if (!found.has(other.name) && mentions(text, other.name)) reachable(other.name, declared, found);
  return found;
}

/** The same schema with each part of it, the innermost first, as `edit` makes it. */
function edited(schema, edit) {
  if (schema === null || typeof schema !== "object") return schema;
  const inside = (value) => edited(value, edit);
  const members = Object.entries(schema).map(([name, value]) => {
    if (name === "properties" || name === "definitions")
      return [name, Object.fromEntries(Object.entries(value).map(([key, member]) => [key, inside(member)]))];
    if (name === "anyOf" || name === "allOf") return [name, value.map(inside)];
    if (name === "items") return [name, Array.isArray(value) ? value.map(inside) : inside(value)];
    return [name, name === "additionalProperties" ? inside(value) : value];
  });
  return edit(Object.fromEntries(members));
}

/** Descriptions tell the range and the default too. */
function described({ description, default: standard, ...schema }) {
  if (!description) return schema;
  const { minimum, maximum } = schema;
  const top = maximum < 2 ** 32 - 1 ? ` to ${maximum}` : "";
  const range = minimum > 0 || top ? ` From ${minimum}${top}.` : "";
  const simple = typeof standard === "string" ? `\`${standard}\`` : standard;
  const fallback = standard !== undefined && typeof standard !== "object" ? ` By default ${simple}.` : "";
  return { ...schema, description: `${description}${range}${fallback}` };
}

/** The options of each call, as a page checks them. */
function checks(options) {
  return Object.fromEntries(Object.entries(options).map(([call, schema]) => [call, edited(schema, bare)]));
}

/** Without what only people, or only the native program, read. */
function bare({ description: _, tsType: __, ...schema }) {
  return schema;
}

/** The README with these models in its list. */
function withModels(readme, architectures) {
  return between(readme, "models", wrapped(`${architectures.map(({ models }) => models).join("; ")}.`));
}

/** The README with these tensor types in its table, a row for each family. */
function withTypes(readme, types) {
  const families = [...new Set(types.map(({ family }) => family))];
  const names = (wanted) => types.filter(({ family }) => family === wanted).map(({ name }) => name);
  const rows = families.map((family) => `| ${family} | ${names(family).join(", ")} |\n`);
  return between(readme, "types", `| Tensor types | in every role |\n|---|---|\n${rows.join("")}`);
}

/** The README with this text between the two marks of this name. */
function between(readme, name, text) {
  const [start, end] = [`<!-- ${name} -->\n`, `<!-- end of ${name} -->`];
  const [from, to] = [readme.indexOf(start) + start.length, readme.indexOf(end)];
  if (to < from || from < start.length) throw new Stop(`README.md has nothing between ${start.trim()} and ${end}.`);
  return readme.slice(0, from) + text + readme.slice(to);
}

/** Lines of at most 120 columns. */
function wrapped(text) {
  return text.replace(/(.{1,119})(?: |$)/g, "$1\n");
}

function modelTable(architectures, types) {
  const rows = architectures.map(
    ({ names, models }) => `| ${names.map((name) => `\`${name}\``).join(", ")} | ${models} |\n`,
  );
  return `# Models

<!-- ${NOTE} -->

What \`general.architecture\` of a GGUF file may be. Each is held against llama.cpp, encoders against Hugging Face's library,
by \`npm test\`, and in Chromium on WebGPU by \`npm run test:archs\`. Anything else is refused by name, before any weight is fetched.

| In the file | Models |
| --- | --- |
${rows.join("")}
## Tensor types

Each in every role. Blocks of each become the numbers that llama.cpp's reader makes of them, to the bit, and whole models of
each are held against those numbers in float64, by \`npm test\`. Some lie on the device as another type, which holds the
[same numbers](USAGE.md#memory). Bits are those of a weight.

| In the file | Weights in a block | Bits in the file | On the device | Bits there |
| --- | --- | --- | --- | --- |
${types.map(typeRow).join("")}`;
}

function typeRow({ name, block, bits, stored, storedBits }) {
  const kept = stored === name ? "as it is" : `as ${stored}`;
  return `| ${name} | ${block} | ${number(bits)} | ${kept} | ${number(storedBits)} |\n`;
}

function number(value) {
  return String(Number(value.toFixed(2)));
}

function errorTable(errors) {
  const rows = errors.map(({ code, meaning, advice }) => `| \`${code}\` | ${meaning} | ${advice} |\n`).join("");
  return `# Errors

<!-- ${NOTE} -->

Every failure is a \`SottoError\` with a \`code\` for programs and a sentence for people: what failed, on what, what to do. A
code never changes its meaning.

| Code | Meaning | What to do |
| --- | --- | --- |
${rows}`;
}

function optionTables(options) {
  const tables = Object.entries(options).map(([call, { properties, required = [] }]) => {
    const rows = Object.entries(properties).map(([name, schema]) => {
      const { default: fallback, description = "" } = schema;
      const given = required.includes(name) ? "needed" : fallback === undefined ? "" : cell(JSON.stringify(fallback));
      return `| \`${name}\` | ${values(schema)} | ${given} | ${description.replaceAll("\n", " ").replaceAll("|", "\\|")} |\n`;
    });
    return `\n## ${call}\n\n| Option | Values | Default | Meaning |\n| --- | --- | --- | --- |\n${rows.join("")}`;
  });
  return `# Options

<!-- ${NOTE} -->

What each call takes, beside what only a page has: \`signal\`, \`onProgress\` and the like ([Using Sotto](USAGE.md#options), and
of chats [their guide](CHAT.md#options-of-the-call)). A name that is not here, or another value, is the error \`bad_option\`.
${tables.join("")}`;
}

function cell(text) {
  return `\`${text.replaceAll("|", "\\|")}\``;
}

/** What an option may be, in few words. */
function values({ tsType, type, enum: names, minimum, maximum, items, anyOf, oneOf }) {
  if (names) return names.map((name) => cell(JSON.stringify(name))).join(", ");
  if (tsType) return cell(tsType);
  if (anyOf ?? oneOf) return (anyOf ?? oneOf).map(values).join(" or ");
  if (type === "array") return `list of ${items ? values(items) : "values"}`;
  const kind = Array.isArray(type) ? type.filter((name) => name !== "null").join(" or ") : (type ?? "any");
  if (minimum === undefined && maximum === undefined) return kind;
  const bounds = maximum === undefined || maximum > 4e9 ? `from ${minimum}` : `${minimum} to ${maximum}`;
  return `${kind}, ${bounds}`;
}
