/**
 * What wgpu's web backend does not do for the engine: it knows no subgroups feature, so that it neither asks the
 * device for it nor reports it, and it passes on only part of the adapter's name. So the worker adds the feature to
 * the request, and tells the engine what adapter it is on. Without subgroups the engine runs its other kernels.
 */
import type { AdapterName, Kind } from "./engine.js";
import { SottoError } from "../wire/errors.js";

interface Adapter {
  readonly features: { has(name: string): boolean };
  requestDevice(descriptor?: GPUDeviceDescriptor): Promise<GPUDevice>;
}

const WRAPPED = Symbol.for("sotto.subgroups");

/** Throws `no_webgpu` where the browser has none, or keeps it from this page. */
export function requireWebgpu(): void {
  if (typeof navigator === "undefined" || "gpu" in navigator) return;
  const why = globalThis.isSecureContext
    ? "this browser has no WebGPU: update it, or turn on hardware acceleration"
    : "WebGPU needs a secure page: open it over https or on localhost";
  throw new SottoError("no_webgpu", `The model cannot run on WebGPU: ${why}.`);
}

/** Why the CPU takes WebGPU's place, where that is the page's doing: the engine does not know. */
export function insecurePage(): string | undefined {
  if (globalThis.isSecureContext !== false || "gpu" in navigator) return undefined;
  return "The model runs on the CPU because WebGPU needs a secure page: open it over https or on localhost.";
}

/** What software adapters call themselves; `crate/kernels/choose/adapter.rs` has the same list. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|warp|basic render/i;

/** Whether there is an adapter, and it is no software. */
export function isGraphicsCard(adapter: AdapterName | undefined): boolean {
  return (
    !!adapter &&
    !adapter.isFallback &&
    !SOFTWARE.test(`${adapter.vendor} ${adapter.architecture} ${adapter.description}`)
  );
}

/** Which engine "auto" takes: WebGPU's where there is a card. */
export function kindFor({ adapter }: Described): Kind {
  return isGraphicsCard(adapter) ? "webgpu" : "cpu";
}

export interface Described {
  /** The device will have the `subgroups` feature. */
  subgroups: boolean;
  /** The shading language has `packed_4x8_integer_dot_product`. */
  dot: boolean;
  f16?: boolean;
  adapter?: AdapterName;
  limits?: GPUSupportedLimits;
}

/**
 * Describes the default adapter; with `subgroups`, every device asked for from now on has them where it can. `dot` is a
 * feature of the browser's shading language, which wgpu does not pass on.
 */
export async function describeAdapter(): Promise<Described> {
  const gpu = typeof navigator === "undefined" ? undefined : navigator.gpu;
  const found = await gpu?.requestAdapter({ powerPreference: "high-performance" });
  // The engine asks again and says what is missing.
  if (!found) return { subgroups: false, dot: false };
  const {
    vendor = "",
    architecture = "",
    description = "",
    isFallbackAdapter,
  }: Partial<GPUAdapterInfo> = found.info ?? {};
  const adapter = { vendor, architecture, description, isFallback: isFallbackAdapter === true };
  // Older browsers have no such set.
  const language: { has(name: string): boolean } | undefined = gpu?.wgslLanguageFeatures;
  const dot = language?.has("packed_4x8_integer_dot_product") === true;
  const facts = { dot, f16: found.features.has("shader-f16"), adapter, limits: found.limits };
  if (!found.features.has("subgroups")) return { subgroups: false, ...facts };
  const prototype = GPUAdapter.prototype as Adapter & { [WRAPPED]?: true };
  if (!prototype[WRAPPED]) {
    const requestDevice = prototype.requestDevice;
    prototype.requestDevice = function (this: Adapter, descriptor: GPUDeviceDescriptor = {}) {
      const features = new Set<GPUFeatureName>(descriptor.requiredFeatures);
      if (this.features.has("subgroups")) features.add("subgroups");
      return requestDevice.call(this, { ...descriptor, requiredFeatures: [...features] });
    };
    prototype[WRAPPED] = true;
  }
  return { subgroups: true, ...facts };
}
