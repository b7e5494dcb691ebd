/** The part of kernels.spec.ts that runs in the page. */
import { type Case, type Index, type Words, difference } from "./kernel-cases.js";

export interface Report {
  adapter: string;
  /** Every variant of the crate, whether it has a case here or not. */
  variants: string[];
  /** One for each case. */
  ran: string[];
  /** How many variants the browser's compiler was asked about, and no more. */
  taken: number;
  /** What cannot run here, and what it wants for. */
  lacking: { variant: string; lacks: Lack }[];
  failures: string[];
}

export type Lack = "f16" | "subgroups" | "packed integer products" | "subgroups of 8";

/** Software adapters compile a kernel for longer than they run it, and one kernel at a time on each device. */
const MAX_DEVICES = 4;

/** Which of the variants that can run do. */
export type Choice = keyof typeof CHOICES;

const CHOICES = {
  all: (groups: Case[][]) => groups,
  /** Each value of each choice of each kernel, in some variant: each tensor type, and each way to reduce. */
  each: (groups: Case[][]) => newOnes(scattered(groups), eachValue),
  /** One of each kernel with subgroups and one without. */
  few: (groups: Case[][]) => newOnes(groups, kind),
  /** Those, and what subgroups of 4 are too small for. */
  wide: (groups: Case[][]) => newOnes(groups, (one) => (lanes(one) > 4 ? [one.variant] : kind(one))),
};

/** Runs the cases of the file `name`. */
export async function runCases(name: string, choice: Choice): Promise<Report> {
  const { variants, cases }: Index = await (await fetch(`/cases/${name}.json`)).json();
  const adapter = await getAdapter();
  const { vendor, architecture, description } = adapter.info;
  const report: Report = {
    adapter: description || `${vendor} ${architecture}`,
    variants,
    ran: [],
    taken: 0,
    lacking: [],
    failures: [],
  };
  const todo: Case[][] = [];
  for (const [variant, group] of byVariant(cases)) {
    const lacks = whatLacks(adapter, group[0]!);
    if (lacks) report.lacking.push({ variant, lacks });
    else todo.push(group);
  }
  const queue = CHOICES[choice](todo);
  // What does not run is at least what the browser's compiler takes, which is asked in a moment.
  const others = todo.filter((group) => !queue.includes(group));
  report.taken = others.length;
  const work = async () => {
    const device = await getDevice();
    for (let group = queue.shift(); group; group = queue.shift()) await runVariant(device, name, group, report);
    for (let group = others.shift(); group; group = others.shift())
      report.failures.push(...(await whatIsRefused(device, group[0]!)));
    device.destroy();
  };
  await Promise.all(Array.from({ length: Math.min(navigator.hardwareConcurrency, MAX_DEVICES) }, work));
  return report;
}

async function getAdapter(): Promise<GPUAdapter> {
  const adapter = await navigator.gpu.requestAdapter();
  if (!adapter) throw new Error("this browser has no WebGPU adapter");
  return adapter;
}

async function getDevice(): Promise<GPUDevice> {
  // An adapter gives one device.
  const adapter = await getAdapter();
  const wanted = ["subgroups", "shader-f16"].filter((feature) => adapter.features.has(feature)) as GPUFeatureName[];
  return adapter.requestDevice({ requiredFeatures: wanted });
}

function byVariant(cases: Case[]): Map<string, Case[]> {
  const groups = new Map<string, Case[]>();
  for (const one of cases) groups.set(one.variant, [...(groups.get(one.variant) ?? []), one]);
  return groups;
}

/** Those that have something which none before them has. */
function newOnes(groups: Case[][], parts: (one: Case) => string[]): Case[][] {
  const seen = new Set<string>();
  return groups.filter(([one]) => {
    const fresh = parts(one!).filter((part) => !seen.has(part));
    for (const part of fresh) seen.add(part);
    return fresh.length > 0;
  });
}

const kind = ({ variant, subgroups }: Case): string[] => [`${variant.split(".")[0]} ${subgroups}`];

function eachValue({ variant }: Case): string[] {
  const [kernel, ...values] = variant.split(".");
  return values.length ? values.map((value) => `${kernel} ${value}`) : [kernel!];
}

/** In an order that is always the same, and in which neighbours have little in common. */
function scattered(groups: Case[][]): Case[][] {
  const place = (group: Case[]) => [...group[0]!.variant].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 65_537, 7);
  return groups.toSorted((a, b) => place(a) - place(b));
}

/** How large its subgroups must be. */
function lanes({ variant }: Case): number {
  return variant.endsWith(".octet") ? 8 : 4;
}

/** Why the variant cannot run here. */
function whatLacks({ features, info }: GPUAdapter, one: Case): Lack | undefined {
  const { subgroupMinSize } = info as GPUAdapterInfo & { subgroupMinSize?: number };
  if (one.f16 && !features.has("shader-f16")) return "f16";
  if (one.subgroups && !features.has("subgroups")) return "subgroups";
  if (one.dot && !navigator.gpu.wgslLanguageFeatures.has("packed_4x8_integer_dot_product"))
    return "packed integer products";
  return one.subgroups && lanes(one) > (subgroupMinSize ?? 4) ? "subgroups of 8" : undefined;
}

/** What the browser's compiler has against a variant. */
async function whatIsRefused(device: GPUDevice, { variant, wgsl }: Case): Promise<string[]> {
  const { messages } = await device.createShaderModule({ code: wgsl }).getCompilationInfo();
  return messages.filter(({ type }) => type === "error").map(({ message }) => `${variant}: ${message}`);
}

/** All of a variant's cases, in one submission. */
async function runVariant(device: GPUDevice, name: string, cases: Case[], report: Report): Promise<void> {
  const { variant, wgsl, bindings } = cases[0]!;
  device.pushErrorScope("validation");
  const types = bindings.map(({ after }): GPUBufferBindingType => (after ? "storage" : "read-only-storage"));
  const entries = [...types, "uniform" as const].map((type, binding) => ({
    binding,
    visibility: GPUShaderStage.COMPUTE,
    buffer: { type },
  }));
  const layout = device.createBindGroupLayout({ entries });
  const compiling = device.createComputePipelineAsync({
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module: device.createShaderModule({ code: wgsl }), entryPoint: "main" },
  });
  const contents = await Promise.all(cases.map((one) => fetchWords(name, one)));
  const pipeline = await compiling.catch((error: Error) => error);
  if (pipeline instanceof Error) {
    report.failures.push(`${variant}: ${(await device.popErrorScope())?.message ?? pipeline.message}`);
    return;
  }
  const encoder = device.createCommandEncoder();
  const made = cases.map((one, i) => record(device, encoder, pipeline, one, contents[i]!));
  device.queue.submit([encoder.finish()]);
  const invalid = await device.popErrorScope();
  if (invalid) report.failures.push(`${variant}: ${invalid.message}`);
  else for (const { check } of made) report.failures.push(...(await check()));
  for (const { buffers } of made) for (const buffer of buffers) buffer.destroy();
  report.ran.push(...cases.map(() => variant));
}

type Part = (words: Words) => Uint32Array;

/** The words of one case, which lie together in the file. */
async function fetchWords(name: string, { params, bindings }: Case): Promise<Part> {
  const parts = [params, ...bindings.flatMap(({ before, after }) => (after ? [before, after] : [before]))];
  const first = Math.min(...parts.map(([at]) => at));
  const end = Math.max(...parts.map(([at, count]) => at + count));
  const headers = { range: `bytes=${4 * first}-${4 * end - 1}` };
  const response = await fetch(`/cases/${name}.bin`, { headers, cache: "no-store" });
  const words = new Uint32Array(await response.arrayBuffer());
  if (words.length !== end - first) throw new Error(`${name}.bin answered with ${words.length} words`);
  return ([at, count]) => words.subarray(at - first, at - first + count);
}

/** Records a case; `check` reads its results back and says what is wrong with them. */
function record(device: GPUDevice, encoder: GPUCommandEncoder, pipeline: GPUComputePipeline, one: Case, part: Part) {
  const buffer = (content: Uint32Array, usage: number) => {
    const size = Math.ceil(content.byteLength / 16) * 16;
    const made = device.createBuffer({ size, usage: usage | GPUBufferUsage.COPY_DST });
    device.queue.writeBuffer(made, 0, content.slice());
    return made;
  };
  const storage = one.bindings.map(({ before }) =>
    buffer(part(before), GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC),
  );
  const buffers = [...storage, buffer(part(one.params), GPUBufferUsage.UNIFORM)];
  const entries = buffers.map((made, binding) => ({ binding, resource: { buffer: made } }));
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(...one.grid);
  pass.end();
  const results = one.bindings.flatMap(({ before, after, kind }, binding) => {
    if (!after) return [];
    const size = after[1] * 4;
    const read = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    encoder.copyBufferToBuffer(storage[binding]!, 0, read, 0, size);
    buffers.push(read);
    const compare = (got: Uint32Array) => difference(kind, one.ceiling, part(before), part(after), got);
    return [{ binding, read, compare }];
  });
  const check = async () => {
    const failures: string[] = [];
    for (const { binding, read, compare } of results) {
      await read.mapAsync(GPUMapMode.READ);
      const wrong = compare(new Uint32Array(read.getMappedRange()).slice());
      if (wrong) failures.push(`${one.variant} (${one.what}), binding ${binding}: ${wrong}`);
    }
    return failures;
  };
  return { buffers, check };
}
