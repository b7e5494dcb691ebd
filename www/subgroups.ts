/**
 * wgpu's web backend knows no subgroups feature: it neither asks the device for it nor reports it.
 * So the worker adds it to the request, and tells the engine that the device will have it.
 * Core WebGPU needs no such step; without it the engine runs its kernels without subgroups.
 */
interface Adapter {
  readonly features: { has(name: string): boolean };
  requestDevice(descriptor?: GPUDeviceDescriptor): Promise<GPUDevice>;
}

const WRAPPED = Symbol.for("sotto.subgroups");

/** Wraps `GPUAdapter.prototype.requestDevice` once; `true` if the default adapter has subgroups. */
export async function offerSubgroups(): Promise<boolean> {
  if (typeof GPUAdapter === "undefined" || !navigator.gpu) return false;
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter?.features.has("subgroups")) return false;
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
  return true;
}
