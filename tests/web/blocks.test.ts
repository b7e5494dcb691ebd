/** The code blocks of the documents that are no JavaScript: pages, components, commands, what is quoted from the sources. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { compile as compileSvelte } from "svelte/compiler";
import { expect, test } from "vitest";
import { compileScript, compileTemplate, parse as parseVue } from "vue/compiler-sfc";
import { COMMANDS } from "../../tools/cli/commands.mjs";
import { readFlags } from "../../tools/cli/flags.mjs";
import { ROOT } from "../../tools/setup.mjs";
import { SottoChat } from "../../www/pieces/element/element.js";
import { BLOCKS, type Block, blocksIn, placeOf, RUN } from "./blocks.js";

const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const manifest = (folder: string) => JSON.parse(read(join(folder, "package.json"))) as Manifest;

interface Manifest {
  exports: Record<string, string | { default: string }>;
  scripts: Record<string, string>;
}

/** Files of the package that a page may address. */
const SERVED = Object.values(manifest("").exports).map((to) => (typeof to === "string" ? to : to.default));

/** Attributes that the element reads when it needs them, besides those that it watches; `keep` and the like are among these. */
const READ = ["autoload", "verdict", "system", "name", "theme", "resume"];

/** What a block must be, by its language; scripts are run by guides.test.ts or compiled by types.test.ts. */
const CHECKS: Record<string, (block: Block) => void> = {
  html: ({ code }) => {
    for (const [, address] of code.matchAll(/"([^"]*\/sotto\/dist\/[^"]*)"/g))
      expect(SERVED).toContain(address!.replace(/^.*\/sotto\//, "./"));
    for (const [, attributes] of code.matchAll(/<sotto-chat([^>]*)>/g)) {
      for (const [, name] of attributes!.matchAll(/\s([a-z-]+)(?==|\s|$)/g))
        expect([...SottoChat.observedAttributes, ...READ]).toContain(name);
    }
    for (const [, map] of code.matchAll(/<script type="importmap">(.*?)<\/script>/gs)) JSON.parse(map!);
  },
  vue: ({ code }) => {
    const { descriptor, errors } = parseVue(code);
    const { bindings } = compileScript(descriptor, { id: "block" });
    const compilerOptions = { bindingMetadata: bindings ?? {} };
    const template = compileTemplate({
      source: descriptor.template!.content,
      filename: "block",
      id: "block",
      compilerOptions,
    });
    expect([...errors, ...template.errors]).toEqual([]);
    // What is not known is looked up in the page's own data.
    expect(template.code).not.toContain("_ctx.");
  },
  svelte: ({ code }) => {
    const { warnings } = compileSvelte(code, { runes: true });
    expect(warnings.map(({ message }) => message)).toEqual([]);
  },
  // What an extension's test installs.
  json: ({ code }) =>
    expect(JSON.parse(code)).toMatchObject({ content_security_policy: { extension_pages: expect.any(String) } }),
  // A page is served by it in consumers.spec.ts.
  http: ({ code }) => expect(code).toMatch(/^Content-Security-Policy: (?:[a-z-]+ [^;]+; )*[a-z-]+ [^;]+$/),
  // cargo runs it there, as a test of the documentation.
  rust: ({ code }) => expect(read("crate/device/recording.rs").replaceAll(/^\/\/! ?/gm, "")).toContain(`${code}\n`),
  // The change that a newcomer makes: what is there has to begin so.
  wgsl: ({ code }) => expect(read("shaders/shared/activation.wgsl")).toContain(code.replace(/;$/, " / ")),
  sh: ({ document, code }) =>
    commandsIn(code).reduce(checkCommand, document.startsWith("examples/") ? dirname(document) : ""),
};

/** A block's commands, each as its words; what stands behind `#` is for people. */
function commandsIn(code: string): string[][] {
  // Before a command may stand what its environment has besides.
  const lines = code.split("\n").map((line) =>
    line
      .replace(/(^|\s)#.*/, "")
      .replace(/^[A-Z_]+=\S+ /, "")
      .trim(),
  );
  const commands = lines.flatMap((line) => line.split(/\s*&&\s*/)).filter((command) => command !== "");
  return commands.map((command) =>
    Array.from(command.matchAll(/"([^"]*)"|(\S+)/g), ([, text, word]) => (text ?? word)!),
  );
}

/** What npm does without a script of the project's. */
const NPM = ["install", "pack", "audit"];

/** Whether a command is one that there is, with flags that it has; answers in which folder the next one is run. */
function checkCommand(folder: string, [program, ...args]: string[]): string {
  const split = args.indexOf("--");
  const [own, passed] = split < 0 ? [args, []] : [args.slice(0, split), args.slice(split + 1)];
  const [first, second] = own.filter((arg) => arg !== "-s" && arg !== "--release");
  switch (`${program} ${first}`) {
    case "npm run":
      checkScript(manifest(folder).scripts[second!], passed);
      break;
    case "npm start":
    case "npm test":
      checkScript(manifest(folder).scripts[first!], passed);
      break;
    case "cargo bench":
      expect(read("Cargo.toml")).toContain(`[[bench]]\nname = "${own.at(-1)}"`);
      break;
    case "cargo test":
      expect(read("Cargo.toml")).toContain(`[[test]]\nname = "${own[own.indexOf("--test") + 1]}"`);
      break;
    case "cargo deny":
      pathOf("deny.toml");
      break;
    case "cargo run":
      checkFlags(passed);
      break;
    default:
      if (program === "cd") return pathOf(join(folder, first!));
      if (program === "node") checkScript([program, ...args].join(" "), []);
      else expect(`${program} ${NPM.find((name) => name === first)}`).toBe(`npm ${first}`);
  }
  return folder;
}

/** A script of a package.json, and what it is given. */
function checkScript(script: string | undefined, passed: string[]): void {
  expect(script, "a script of package.json").toBeTruthy();
  const [program, path, ...args] = script!.split(" ");
  if (path === "tools/cli.mjs") checkFlags([...args, ...passed]);
  // Other tools read their flags themselves.
  else if (program === "node") {
    const source = read(pathOf(path!));
    for (const flag of passed.filter((arg) => arg.startsWith("--"))) expect(source).toContain(flag.slice(2));
  }
}

/** Commands that there are natively alone, and where their flags stand. */
const NATIVE: Record<string, string> = { quantize: "crate/bin/sotto/quantize.rs" };

/** A command of Sotto's; the native one has the same flags. */
function checkFlags([name, ...args]: string[]): void {
  if (NATIVE[name!]) {
    const source = read(NATIVE[name!]!);
    for (const flag of args.filter((arg) => arg.startsWith("--"))) expect(source).toContain(`    ${flag.slice(2)}: `);
    return;
  }
  const command = (COMMANDS as Record<string, Parameters<typeof readFlags>[0]>)[name!];
  expect(command, name).toBeDefined();
  readFlags(command, args);
}

function pathOf(path: string): string {
  expect(existsSync(join(ROOT, path)), path).toBe(true);
  return path;
}

for (const block of BLOCKS.filter(({ language }) => !["js", "ts", "tsx"].includes(language))) {
  test(`${placeOf(block)} is ${block.language || "a block of a language"}`, () => {
    expect(Object.keys(CHECKS)).toContain(block.language);
    CHECKS[block.language]!(block);
  });
}

test("what is checked by running it is in a document that there is", () => {
  for (const document of RUN) expect(blocksIn(["js"], (it) => it === document).length, document).toBeGreaterThan(0);
});

test("a command or a flag that there is not is told", () => {
  const check = (code: string) => () => CHECKS.sh!({ document: "", line: 0, language: "sh", code });
  for (const code of [
    "npm run none",
    "npm run -s generate -- --none 1",
    "node tools/none.mjs",
    "cd none",
    "rm -r docs",
  ])
    expect(check(code), code).toThrow();
  for (const code of ["cargo bench --bench none", "npm run build -- --none", "npm none"])
    expect(check(code), code).toThrow();
  expect(check("npm run build -- --fast && cd examples/react-chat # go\nnpm run dev")).not.toThrow();
});
