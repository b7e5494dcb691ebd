import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Device, models, suggest } from "../../www/catalog/index.js";
import { type Schema, check } from "../../www/wire/check.js";
import { readHubFile } from "../../www/wire/hub.js";
import { budget } from "../../www/wire/budget.js";

const read = (path: string) => JSON.parse(readFileSync(path, "utf8"));

test("the catalogue is what its schema says", () => {
  const schema = read("www/catalog/catalog.schema.json");
  const row = schema.definitions.CatalogModel;
  expect(models.length).toBeGreaterThanOrEqual(40);
  for (const model of models) {
    expect(() => check(model.name, row as Schema, model)).not.toThrow();
    for (const [name, { pattern }] of Object.entries<{ pattern?: string }>(row.properties))
      if (pattern) expect(String(model[name as keyof typeof model])).toMatch(new RegExp(pattern));
    for (const language of model.languages)
      expect(language).toMatch(new RegExp(row.properties.languages.items.pattern));
    expect(readHubFile(model.source).repo).not.toBe("");
    // Between one bit and two bytes a weight, and some for the rest.
    expect(model.bytes / model.parameters).toBeGreaterThan(0.3);
    expect(model.bytes / model.parameters).toBeLessThan(2.2);
  }
  expect(new Set(models.map(({ source }) => source)).size).toBe(models.length);
});

const ARCHITECTURES = "crate/model/arch";

test("every architecture in it is one that runs", () => {
  const names = readdirSync(ARCHITECTURES).flatMap((file) => {
    const [, list = ""] =
      /NAMES: &\[&str\] = &\[([^\]]*)\]/.exec(readFileSync(join(ARCHITECTURES, file), "utf8")) ?? [];
    return Array.from(list.matchAll(/"([^"]+)"/g), ([, name]) => name);
  });
  expect(names).toContain("llama");
  for (const { architecture } of models) expect(names).toContain(architecture);
});

const phone: Device = { memory: 1.5e9, bytesPerSecond: 30e9 };
const laptop: Device = { memory: 4e9, bytesPerSecond: 60e9 };
const workstation: Device = { memory: 24e9, bytesPerSecond: 800e9 };

test("what is suggested fits, and the better device gets the larger model", () => {
  const best = [phone, laptop, workstation].map((device) => {
    const all = suggest({ device, download: 10e9 });
    for (const { memory, tokensPerSecond } of all) {
      expect(memory).toBeLessThanOrEqual(device.memory);
      expect(tokensPerSecond).toBeGreaterThan(0);
    }
    return all[0]!.model.parameters;
  });
  expect(best[0]!).toBeLessThan(best[1]!);
  expect(best[1]!).toBeLessThan(best[2]!);
  // Nobody waits a minute for a sentence: on a slow device a smaller one is better.
  const slow = suggest({ device: { memory: 24e9, bytesPerSecond: 8e9 }, download: 10e9 })[0]!;
  expect(slow.model.parameters).toBeLessThan(2e9);
  expect(slow.why).toMatch(/tokens a second; its licence is /);
});

test("what is wanted is kept to", () => {
  const of = (wish: Parameters<typeof suggest>[0]) =>
    suggest({ device: workstation, ...wish }).map(({ model }) => model);
  expect(
    of({ languages: ["ko", "es"] }).every(({ languages }) => languages.includes("*") || languages.includes("ko")),
  ).toBe(true);
  expect(of({ tools: true, thinking: true }).every(({ tools, thinking }) => tools && thinking)).toBe(true);
  expect(of({ task: "embed", languages: ["en"] }).length).toBeGreaterThan(3);
  expect(of({ task: "embed", languages: ["fi"] }).every(({ languages }) => languages.includes("*"))).toBe(true);
  expect(of({ task: "rerank" }).length).toBeGreaterThan(0);
  expect(of({ licenses: ["mit"] }).every(({ license }) => license === "mit")).toBe(true);
  expect(of({ context: 100_000 }).every(({ context }) => context >= 100_000)).toBe(true);
  expect(of({ download: 3e8 }).every(({ bytes }) => bytes <= 3e8)).toBe(true);
  expect(suggest({ device: { memory: 1e6 } })).toEqual([]);
  expect(suggest().length).toBeGreaterThan(5);
});

test("a page's memory is what browsers are known to allow", () => {
  expect(budget({ userAgent: "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X)" }, true)?.bytes).toBe(1.5e9);
  const mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/26.0 Safari/605.1.15";
  expect(budget({ userAgent: mac }, false)).toBeUndefined();
  expect(budget({ userAgent: mac }, true)?.who).toBe("a page on an iPad");
  expect(budget({ userAgent: "Mozilla/5.0 (Linux; Android 16)", deviceMemory: 4 }, true)?.bytes).toBe(2e9);
  expect(budget({ userAgent: "Mozilla/5.0 (X11; Linux x86_64)", deviceMemory: 8 }, false)).toBeUndefined();
});

test("the script that asks the hub says where there is none", () => {
  const env = { ...process.env, HF_ENDPOINT: "http://127.0.0.1:9" };
  const { status, stderr } = spawnSync(process.execPath, ["tools/catalog.mjs"], { env, encoding: "utf8" });
  expect(status).toBe(0);
  expect(stderr).toContain("nothing was checked");
  expect(existsSync("www/catalog/catalog.json")).toBe(true);
});
