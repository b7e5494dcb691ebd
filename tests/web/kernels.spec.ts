/**
 * The kernels in this browser's WebGPU, against what their CPU mirrors made of the same bytes. The cases, odd shapes
 * among them, are written by the native kernel tests (tests/kernels/export.rs).
 */
import { existsSync, readdirSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { expect, test } from "@playwright/test";
import { rolldown } from "rolldown";
import { serve } from "../../tools/serve.mjs";
import { ROOT } from "../../tools/setup.mjs";
import type { Choice, Lack } from "./kernel-page.js";

const CASES = join(ROOT, "target", "kernel-cases");

/** What is known to lack; a feature that gets lost on the way must not pass as "cannot". */
const LACKS: Record<string, Lack[]> = {
  lavapipe: [],
  "lavapipe-4-lanes": ["subgroups of 8"],
  swiftshader: ["f16", "subgroups of 8"],
};

/** kernel-page.ts, for the page. */
async function pageScript(): Promise<string> {
  const bundle = await rolldown({ input: join(import.meta.dirname, "kernel-page.ts"), platform: "browser" });
  const { output } = await bundle.generate({ format: "esm" });
  await bundle.close();
  return output[0].code;
}

test(
  "kernels do as their mirrors in this browser: with SOTTO_KERNELS=all, every variant",
  { tag: ["@4-lanes", "@swiftshader"] },
  async ({ page }, { project }) => {
    test.setTimeout(900_000);
    const names = existsSync(CASES)
      ? readdirSync(CASES)
          .filter((file) => file.endsWith(".json"))
          .map((file) => file.slice(0, -5))
      : [];
    const missing = "the native kernel tests write the cases first: SOTTO_KERNEL_CASES=target/kernel-cases";
    expect(names, missing).not.toEqual([]);
    const choice: Choice = project.metadata.kernels;
    const script = await pageScript();
    const server = await serve({
      "/cases/": CASES,
      "/page.js": (_request: IncomingMessage, response: ServerResponse) =>
        response.setHeader("content-type", "text/javascript").end(script),
      "/": (_request: IncomingMessage, response: ServerResponse) =>
        response.setHeader("content-type", "text/html").end("<!doctype html>"),
    });
    try {
      await page.goto(server.url);
      const seen = new Set<string>();
      let all: string[] = [];
      for (const name of names) {
        const { adapter, variants, ran, taken, lacking, failures } = await page.evaluate(
          async ([name, choice]) => {
            const url = "/page.js";
            const { runCases } = (await import(url)) as typeof import("./kernel-page.js");
            return runCases(name, choice);
          },
          [name, choice] as const,
        );
        const lacks = [...new Set(lacking.map(({ lacks }) => lacks))];
        const without = lacks.map((lack) => `, ${lacking.filter(({ lacks }) => lacks === lack).length} want ${lack}`);
        console.log(
          `${name}: ${choice}, ${new Set(ran).size} variants in ${ran.length} cases, ${taken} only compiled, on ${adapter}${without.join("")}`,
        );
        expect(failures).toEqual([]);
        expect(ran.length).toBeGreaterThan(0);
        expect(LACKS[project.name]).toEqual(expect.arrayContaining(lacks));
        for (const variant of [...ran, ...lacking.map(({ variant }) => variant)]) seen.add(variant);
        all = variants;
      }
      if (choice === "all")
        expect(
          all.filter((variant) => !seen.has(variant)),
          "variants without a case here",
        ).toEqual([]);
    } finally {
      server.close();
    }
  },
);
