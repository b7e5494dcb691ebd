/** What is known of this device before a model is loaded: its adapter, what a page may take, and how fast it reads. */
import { describeAdapter, isGraphicsCard } from "./adapter.js";
import type { Surroundings } from "./engine.js";
import { budget } from "../wire/budget.js";
import { readRates, writeRates } from "../store/tuning.js";
import type { LoadOptions } from "../wire/protocol.js";

/** What is measured once and kept. */
export interface Rates {
  cpu?: number;
  gpu?: number;
}

/** `cpuRate` measures; `touch`: the page's device has a touch screen. */
export async function surroundings(
  { backend, subgroups, dot, f16 }: LoadOptions,
  threads: number,
  touch: boolean,
  cpuRate: () => number,
): Promise<Surroundings> {
  const described = backend === "cpu" ? { subgroups: false, dot: false } : await describeAdapter();
  const { adapter, limits } = described;
  const known: Rates = await readRates(adapter);
  const rates = { ...known };
  rates.cpu ??= await settled(cpuRate);
  // Software adapters are judged by what they are.
  if (isGraphicsCard(adapter)) rates.gpu ??= await gpuRate().catch(() => undefined);
  if (rates.cpu !== known.cpu || rates.gpu !== known.gpu) await writeRates(adapter, rates);
  return {
    adapter,
    maxBinding: limits ? Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize) : 0,
    subgroups: subgroups !== false && described.subgroups,
    f16: f16 !== false && described.f16 === true,
    dot: dot !== false && described.dot,
    budget: budget(navigator, touch),
    threads,
    cpuRate: rates.cpu,
    gpuRate: rates.gpu,
  };
}

/** Browsers make code quick while it runs: it is measured until it is not quicker any more. */
async function settled(measure: () => number): Promise<number> {
  let best = 0;
  for (let tries = 0, worse = 0; tries < 12 && worse < 4; tries++) {
    const rate = measure();
    worse = rate > 1.05 * best ? 0 : worse + 1;
    best = Math.max(best, rate);
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
  return best;
}

/** As the engine reads them (crate/web/header.rs). */
export function numbersOf(place: Surroundings): Float64Array {
  const { adapter, maxBinding, subgroups, f16, dot, budget, threads, cpuRate = 0, gpuRate = 0 } = place;
  const software = !isGraphicsCard(adapter);
  const flags = [software, subgroups, f16, dot].map(Number);
  return Float64Array.of(adapter ? maxBinding : 0, ...flags, budget?.bytes ?? 0, threads, cpuRate, gpuRate);
}

const BYTES = 1 << 26;
const RUNS = 6;
const GROUPS = 512;
/** `GPUBufferUsage.STORAGE`, which TypeScript's types of the platform lack. */
const STORAGE = 0x80;
const READ = `@group(0) @binding(0) var<storage, read> from: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> sums: array<vec4u>;
@compute @workgroup_size(128) fn main(@builtin(global_invocation_id) id: vec3u) {
  var sum = vec4u();
  for (var i = id.x; i < arrayLength(&from); i += ${GROUPS * 128}u) { sum += from[i]; }
  sums[id.x] = sum;
}`;

/** Bytes that the adapter reads in a second: a buffer of 64 MiB, six times over. */
export async function gpuRate(): Promise<number> {
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  const device = await adapter!.requestDevice();
  try {
    const buffers = [BYTES, GROUPS * 128 * 16].map((size) => device.createBuffer({ size, usage: STORAGE }));
    const module = device.createShaderModule({ code: READ });
    const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
    const group = device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    const time = async (runs: number) => {
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      for (let run = 0; run < runs; run++) pass.dispatchWorkgroups(GROUPS);
      pass.end();
      const begun = performance.now();
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
      return performance.now() - begun;
    };
    await time(1);
    // What submitting and waiting cost is in both.
    const once = await time(1);
    const often = await time(1 + RUNS);
    return (1000 * RUNS * BYTES) / Math.max(often - once, 0.05);
  } finally {
    device.destroy();
  }
}
