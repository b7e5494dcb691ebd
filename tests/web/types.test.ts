/** The package's types, as a page's own compiler reads them: strictly, and with no library but ES2022's and the browser's. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, TARGET } from "../../tools/setup.mjs";
import { blocksIn, RUN, scriptsIn } from "./blocks.js";

const TSC = join(ROOT, "node_modules", "typescript", "bin", "tsc");

function compile(...args: string[]): void {
  const { status, stdout } = spawnSync(process.execPath, [TSC, ...args], { cwd: ROOT, encoding: "utf8" });
  expect(status, stdout).toBe(0);
}

/** What examples take as given. */
const GIVEN: Record<string, string> = {
  model: 'declare const model: import("sotto").Model;',
  url: "declare const url: string;",
  file: "declare const file: File;",
  sha256: "declare const sha256: string;",
  show: "declare function show(...what: unknown[]): void;",
  chrome: "declare const chrome: any;",
};

/** Modules without types, or that are no part of the tests. */
const MODULES = 'declare module "@rollup/plugin-node-resolve" { export default function resolve(): object; }';

/** An example as a page's script: what it uses and does not say where it is from is there. */
function asModule(code: string): string {
  // The one value that a guide shows.
  if (code.startsWith("{")) return `export const shown: import("sotto").Verdict = ${code}`;
  const uses = (name: string) => new RegExp(`\\b${name}\\b`).test(code);
  const has = (name: string) =>
    new RegExp(`(import|const|using|let)\\s[^;=]*\\b${name}\\b[^;]*(from|=)|for [^)]*\\b${name} of`).test(code);
  const names = ["load", "inspect", "LoadControl", "store"].filter((name) => uses(name) && !has(name));
  const given = Object.keys(GIVEN).filter((name) => uses(name) && !has(name));
  // A page's author knows that the element is there.
  const sure = code.replace('querySelector("sotto-chat")', "$&!");
  // Where names do not reach, files are imported by their addresses.
  const found = sure.replace("./node_modules/sotto/dist/service-worker.js", "sotto/service-worker");
  const element = sure === code ? [] : ['import "sotto/element";'];
  const imports = [`import { ${names.join(", ")} } from "sotto";`, ...element];
  return [...imports, ...given.map((name) => GIVEN[name]!), found].join("\n");
}

/** What every document's blocks say to the compiler: those of typed languages as they are, the others as a page has them. */
const modules = () => [
  ...blocksIn(["ts", "tsx"]).map(({ code }) => code),
  ...blocksIn(["js"], (document) => !RUN.includes(document)).map(({ code }) => asModule(code)),
  ...blocksIn(["html", "vue", "svelte"]).flatMap(({ code }) => scriptsIn(code).map(asModule)),
];

test("the declarations compile in a page that checks its libraries", { timeout: 60_000 }, () => {
  mkdirSync(TARGET, { recursive: true });
  const folder = mkdtempSync(join(TARGET, "types-"));
  try {
    for (const project of ["tsconfig.build.json", "www/bundler"])
      compile("-p", project, "--outDir", join(folder, "sotto"));
    // Two guides' own examples, each a page, as strictly.
    const pages = blocksIn(["ts"], (document) => /CHAT|TOOLS/.test(document)).map(({ code }, i) => {
      const path = join(folder, `guide-${i}.ts`);
      writeFileSync(path, code.replace('from "sotto"', 'from "./sotto/api/index.js"'));
      return path;
    });
    expect(pages.length).toBe(2);
    const page = join(folder, "page.ts");
    writeFileSync(
      page,
      `import { load, type ChatCompletion } from "./sotto/api/index.js";
      interface Own { role: string; content: string }
      export async function ask(own: readonly Own[]): Promise<ChatCompletion> {
        const model = await load("model.gguf");
        await model.chat(own);
        for await (const { text } of model.generate(own)) console.log(text);
        const tools = [{ name: "f", parameters: { type: "object" }, run: ({ a }: { a: string }) => a.length }] as const;
        const { text, steps, finish_details } = await model.runTools({ messages: own, tools }, { maxSteps: 3 });
        if (finish_details?.type === "max_steps") console.log(text, steps[0]?.calls[0]?.result);
        const response_format = { type: "regex", pattern: "yes|no" } as const;
        await model.chat([{ id: "1", role: "user", parts: [{ type: "text", text: "Hi" }] }], { response_format });
        const stopped = await model.chat(own, { onAbort: "result" });
        if (stopped.finish_reason === "abort") console.log(stopped.text);
        const seed: number | undefined = undefined;
        await model.chat(own, { seed, signal: undefined, temperature: undefined });
        await model.chat.completions.create({ messages: own, seed }, { errors: undefined });
        for await (const { text } of model.generate("Hi", { seed, onProgress: undefined })) console.log(text);
        // @ts-expect-error: a part has a type
        await model.chat([{ role: "user", content: [{ text: "Hi" }] }]);
        return model.chat.completions.create({ messages: own, temperature: 0.5 });
      }\n`,
    );
    const flags = ["--strict", "--noEmit", "--skipLibCheck", "false", "--types", "", "--ignoreConfig"];
    compile(
      page,
      ...pages,
      "--exactOptionalPropertyTypes",
      ...flags,
      "--target",
      "es2022",
      "--module",
      "esnext",
      "--moduleResolution",
      "bundler",
      "--lib",
      "es2022,dom",
    );
    modules().forEach((code, i) => void writeFileSync(join(folder, `block-${i}.tsx`), code));
    writeFileSync(join(folder, "given.d.ts"), MODULES);
    const own = ["bundler", "catalog", "service-worker"].map((name) => [
      `sotto/${name}`,
      [`./sotto/${name}/index.d.ts`],
    ]);
    const paths = {
      sotto: ["./sotto/api/index.d.ts"],
      ...Object.fromEntries(own),
      "sotto/*": ["./sotto/pieces/*/index.d.ts"],
    };
    const lib = ["es2024", "esnext.disposable", "dom", "dom.iterable", "dom.asynciterable"];
    const compilerOptions = { paths, lib, jsx: "react-jsx", types: [], skipLibCheck: true, strict: true, noEmit: true };
    // A page's own script may look into what was thrown.
    Object.assign(compilerOptions, { useUnknownInCatchVariables: false });
    const bundler = { target: "es2022", module: "esnext", moduleResolution: "bundler" };
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({ compilerOptions: { ...compilerOptions, ...bundler }, include: ["block-*.tsx", "given.d.ts"] }),
    );
    compile("-p", folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
