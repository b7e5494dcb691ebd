/**
 * The kernels in this browser's WebGPU, against what their CPU mirrors made of the same bytes. The cases, odd shapes
 * among them, are written by the native kernel tests (tests/kernels/export.rs).
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@playwright/test";
import { serve } from "../../tools/serve.mjs";

const CASES = join(import.meta.dirname, "..", "..", "target", "kernel-cases");

interface Case {
  variant: string;
  what: string;
  wgsl: string;
  subgroups: boolean;
  f16: boolean;
  dot: boolean;
  /** [first word, count] in the file of words, here and below. */
  params: [number, number];
  grid: [number, number];
  ceiling: number;
  /**
   * `kind`: f32, f16 in pairs, words that must be equal, a list: a count, a word, so many words in any order; or records
   * of activations as integers, in one plane of bytes or two.
   */
  bindings: {
    before: [number, number];
    after: [number, number] | null;
    kind: "f32" | "f16" | "words" | "list" | "planes1" | "planes2";
  }[];
}

interface Report {
  adapter: string;
  /** Every variant of the crate, whether it has a case here or not. */
  variants: string[];
  ran: string[];
  skipped: string[];
  failures: string[];
}

/** Runs in the page. */
async function runCases(name: string): Promise<Report> {
  const POISON = 0x7fc17e01;
  const { variants, cases }: { variants: string[]; cases: Case[] } = await (await fetch(`/cases/${name}.json`)).json();
  const words = new Uint32Array(await (await fetch(`/cases/${name}.bin`)).arrayBuffer());
  const adapter = await navigator.gpu.requestAdapter();
  if (!adapter) throw new Error("this browser has no WebGPU adapter");
  const wanted = ["subgroups", "shader-f16"].filter((feature) => adapter.features.has(feature)) as GPUFeatureName[];
  const device = await adapter.requestDevice({ requiredFeatures: wanted });
  const info = adapter.info as GPUAdapterInfo & { subgroupMinSize?: number };
  const report: Report = {
    adapter: `${info.vendor} ${info.architecture}`,
    variants,
    ran: [],
    skipped: [],
    failures: [],
  };
  const lacks = (c: Case) => {
    if (c.f16 && !adapter.features.has("shader-f16")) return "no shader-f16";
    if (c.subgroups && !adapter.features.has("subgroups")) return "no subgroups";
    if (c.dot && !navigator.gpu.wgslLanguageFeatures.has("packed_4x8_integer_dot_product"))
      return "no packed integer products";
    if (c.variant.endsWith(".octet") && (info.subgroupMinSize ?? 4) < 8) return "subgroups of fewer than 8 lanes";
    return undefined;
  };
  const part = ([at, count]: [number, number]) => words.subarray(at, at + count);
  const half = (bits: number) => {
    const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -14 * (fraction / 1024);
  };
  const floats = (bits: Uint32Array, f16: boolean) =>
    f16
      ? Float64Array.from({ length: bits.length * 2 }, (_, i) => half((bits[i >> 1]! >> (16 * (i & 1))) & 0xffff))
      : Float64Array.from(new Float32Array(bits.slice().buffer));
  /** What records stand for, four values a word: a scale or sum by itself, or activations in the place of their high byte. */
  const integers = (words: Uint32Array, planes: number) => {
    const [numbers, bytes, size] = [floats(words, false), new Int8Array(words.slice().buffer), 4 + 8 * planes];
    return Float64Array.from({ length: 4 * words.length }, (_, i) => {
      const [word, d] = [i >> 2, numbers[(i >> 2) - ((i >> 2) % size)]!];
      if (word % size < 4) return i % 4 ? 0 : numbers[word]!;
      if (word % size >= 12) return 0;
      return d * (planes === 2 ? 128 * bytes[i]! + bytes[i + 32]! : bytes[i]!);
    });
  };
  const pipelines = new Map<string, { pipeline: GPUComputePipeline; layout: GPUBindGroupLayout }>();
  for (const c of cases) {
    const label = `${c.variant} (${c.what})`;
    const reason = lacks(c);
    if (reason) {
      report.skipped.push(`${c.variant}: ${reason}`);
      continue;
    }
    device.pushErrorScope("validation");
    if (!pipelines.has(c.variant)) {
      const types = c.bindings.map(({ after }): GPUBufferBindingType => (after ? "storage" : "read-only-storage"));
      const entries = [...types, "uniform" as const].map((type, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type },
      }));
      const layout = device.createBindGroupLayout({ entries });
      const module = device.createShaderModule({ code: c.wgsl });
      const pipeline = device.createComputePipeline({
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: "main" },
      });
      pipelines.set(c.variant, { pipeline, layout });
    }
    const { pipeline, layout } = pipelines.get(c.variant)!;
    const buffer = (content: Uint32Array, usage: number) => {
      const made = device.createBuffer({
        size: Math.ceil(content.byteLength / 16) * 16,
        usage: usage | GPUBufferUsage.COPY_DST,
      });
      device.queue.writeBuffer(made, 0, content.slice());
      return made;
    };
    const storage = c.bindings.map(({ before }) =>
      buffer(part(before), GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC),
    );
    const buffers = [...storage, buffer(part(c.params), GPUBufferUsage.UNIFORM)];
    const group = device.createBindGroup({
      layout,
      entries: buffers.map((made, binding) => ({ binding, resource: { buffer: made } })),
    });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...c.grid);
    pass.end();
    const outputs = c.bindings.flatMap(({ after, kind, before }, binding) => {
      if (!after) return [];
      const read = device.createBuffer({
        size: after[1] * 4,
        usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      });
      encoder.copyBufferToBuffer(storage[binding]!, 0, read, 0, after[1] * 4);
      return [{ binding, read, want: part(after), before: part(before), kind }];
    });
    device.queue.submit([encoder.finish()]);
    const invalid = await device.popErrorScope();
    if (invalid) {
      report.failures.push(`${label}: ${invalid.message}`);
      continue;
    }
    for (const { binding, read, want, before, kind } of outputs) {
      await read.mapAsync(GPUMapMode.READ);
      const got = new Uint32Array(read.getMappedRange()).slice();
      if (kind === "words" || kind === "list") {
        const [wanted, found] = [want.slice(), got.slice()];
        if (kind === "list") for (const list of [wanted, found]) list.subarray(2, 2 + want[0]!).sort();
        const at = wanted.findIndex((word, i) => word !== found[i]);
        if (at >= 0)
          report.failures.push(`${label}, binding ${binding}: word ${at} is ${found[at]}, not ${wanted[at]}`);
        read.destroy();
        continue;
      }
      const planes = kind.startsWith("planes") ? Number(kind.at(-1)) : 0;
      const values = (words: Uint32Array) => (planes ? integers(words, planes) : floats(words, kind === "f16"));
      const [wantValues, gotValues] = [values(want), values(got)];
      const each = wantValues.length / want.length;
      let [error, norm] = [0, 0];
      let wrong: string | undefined;
      for (let i = 0; i < wantValues.length; i++) {
        const word = Math.floor(i / each);
        if (before[word] === POISON && want[word] === POISON) {
          if (got[word] !== POISON) wrong ??= `word ${word} is not the kernel's, but was written`;
          continue;
        }
        if (!Number.isFinite(gotValues[i])) wrong ??= `element ${i} is ${gotValues[i]}, not ${wantValues[i]}`;
        error += (gotValues[i]! - wantValues[i]!) ** 2;
        norm += wantValues[i]! ** 2;
      }
      if (wrong) report.failures.push(`${label}, binding ${binding}: ${wrong}`);
      else if (error > c.ceiling * norm)
        report.failures.push(`${label}, binding ${binding}: error ${error / norm} is over ${c.ceiling}`);
      read.destroy();
    }
    for (const made of buffers) made.destroy();
    report.ran.push(c.variant);
  }
  device.destroy();
  return report;
}

test("every kernel variant does as its mirror in this browser", async ({ page }) => {
  test.setTimeout(900_000);
  const names = existsSync(CASES)
    ? readdirSync(CASES)
        .filter((file) => file.endsWith(".json"))
        .map((file) => file.slice(0, -5))
    : [];
  expect(names, "the native kernel tests write the cases first: SOTTO_KERNEL_CASES=target/kernel-cases").not.toEqual(
    [],
  );
  const server = await serve({
    "/cases/": CASES,
    "/": (_request: unknown, response: { setHeader(name: string, value: string): void; end(text: string): void }) => {
      response.setHeader("content-type", "text/html");
      response.end("<!doctype html><title>kernels</title>");
    },
  });
  try {
    await page.goto(server.url);
    const known = new Set<string>();
    let all: string[] = [];
    for (const name of names) {
      const { adapter, variants, ran, skipped, failures } = await page.evaluate(runCases, name);
      const left = [...new Set(skipped)];
      console.log(
        `${name}: ${new Set(ran).size} variants in ${ran.length} cases on ${adapter}; left out: ${left.join("; ") || "none"}`,
      );
      expect(failures).toEqual([]);
      expect(ran.length).toBeGreaterThan(0);
      // SwiftShader, and this browser, have them: a feature that gets lost on the way must not pass as "cannot".
      if (/swiftshader/i.test(adapter))
        expect(left.filter((line) => /no (subgroups|packed integer products)$/.test(line))).toEqual([]);
      for (const variant of [...ran, ...left.map((line) => line.split(":")[0]!)]) known.add(variant);
      all = variants;
    }
    expect(
      all.filter((variant) => !known.has(variant)),
      "variants without a case here",
    ).toEqual([]);
  } finally {
    server.close();
  }
});
