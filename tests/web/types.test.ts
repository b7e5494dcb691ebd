/** The package's types, as a page's own compiler reads them: strictly, and with no library but ES2022's and the browser's. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, TARGET } from "../../tools/setup.mjs";

const TSC = join(ROOT, "node_modules", "typescript", "bin", "tsc");

function compile(...args: string[]): void {
  const { status, stdout } = spawnSync(process.execPath, [TSC, ...args], { cwd: ROOT, encoding: "utf8" });
  expect(status, stdout).toBe(0);
}

/** A guide's typed examples. */
const examples = (guide: string, pattern: RegExp) =>
  Array.from(readFileSync(join(ROOT, "docs", `${guide}.md`), "utf8").matchAll(pattern), ([, code]) => code!);

test("the declarations compile in a page that checks its libraries", { timeout: 60_000 }, () => {
  mkdirSync(TARGET, { recursive: true });
  const folder = mkdtempSync(join(TARGET, "types-"));
  try {
    compile("-p", "tsconfig.build.json", "--outDir", join(folder, "sotto"));
    // The guides' own examples, each a page.
    const pages = ["CHAT", "TOOLS"].map((guide) => {
      const path = join(folder, `${guide}.ts`);
      const [code] = examples(guide, /^```ts\n([\s\S]*?)^```/gm);
      writeFileSync(path, code!.replace('from "sotto"', 'from "./sotto/api/index.js"'));
      return path;
    });
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
    // The pieces', with the frameworks that they are for.
    const pieces = examples("PIECES", /^```tsx?\n([\s\S]*?)^```/gm);
    expect(pieces.length).toBeGreaterThan(3);
    pieces.forEach((code, i) => void writeFileSync(join(folder, `piece-${i}.tsx`), code));
    const paths = { sotto: ["./sotto/api/index.d.ts"], "sotto/*": ["./sotto/pieces/*/index.d.ts"] };
    const lib = ["es2024", "esnext.disposable", "dom", "dom.iterable", "dom.asynciterable"];
    const compilerOptions = { paths, lib, jsx: "react-jsx", types: [], skipLibCheck: true, strict: true, noEmit: true };
    const bundler = { target: "es2022", module: "esnext", moduleResolution: "bundler" };
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({ compilerOptions: { ...compilerOptions, ...bundler }, include: ["piece-*.tsx"] }),
    );
    compile("-p", folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
