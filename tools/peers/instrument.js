// Counts the memory of a page and its workers, the same way for every peer: bytes of live GPU
// buffers (at their peak), and sizes of wasm heaps. Runs before any other script of the page and,
// imported ahead of their own script, of its workers; `memory()` in the page adds them all up.
(() => {
  const CHANNEL = "memory";
  const self_ = { gpu: 0, gpuPeak: 0, heaps: new Set() };

  if (globalThis.GPUDevice) {
    const live = new WeakMap();
    const { createBuffer } = GPUDevice.prototype;
    GPUDevice.prototype.createBuffer = function (descriptor) {
      const buffer = createBuffer.call(this, descriptor);
      live.set(buffer, descriptor.size);
      self_.gpu += descriptor.size;
      self_.gpuPeak = Math.max(self_.gpuPeak, self_.gpu);
      return buffer;
    };
    const { destroy } = GPUBuffer.prototype;
    GPUBuffer.prototype.destroy = function () {
      self_.gpu -= live.get(this) ?? 0;
      live.delete(this);
      return destroy.call(this);
    };
  }

  // A heap is made by a script, or by a module that exports it; one that was imported is its maker's.
  const { Memory } = WebAssembly;
  WebAssembly.Memory = new Proxy(Memory, {
    construct(target, args) {
      const memory = new target(...args);
      self_.heaps.add(memory);
      return memory;
    },
  });
  const imported = (imports) =>
    Object.values(imports ?? {})
      .flatMap((module) => Object.values(module))
      .filter((value) => value instanceof Memory);
  for (const name of ["instantiate", "instantiateStreaming"]) {
    const original = WebAssembly[name];
    WebAssembly[name] = async (source, imports) => {
      const result = await original.call(WebAssembly, source, imports);
      const known = imported(imports);
      for (const value of Object.values((result.instance ?? result).exports)) {
        if (value instanceof Memory && !known.includes(value)) self_.heaps.add(value);
      }
      return result;
    };
  }

  const mine = () => ({
    gpu: self_.gpuPeak,
    wasm: [...self_.heaps].reduce((sum, { buffer }) => sum + buffer.byteLength, 0),
  });
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data }) => {
    if (data === "report" && !globalThis.document) channel.postMessage(mine());
  };

  const { Worker } = globalThis;
  const script = new URL("/peers/instrument.js", self.origin).href;
  if (Worker) {
    globalThis.Worker = new Proxy(Worker, {
      construct(target, [url, options]) {
        if (options?.name?.startsWith("em-pthread")) return new target(url, options); // Threads share their maker's heap.
        const full = JSON.stringify(new URL(url, globalThis.document?.baseURI ?? location.href).href);
        const first = JSON.stringify(script);
        const code =
          options?.type === "module" ? `import ${first}; import ${full};` : `importScripts(${first}, ${full});`;
        return new target(URL.createObjectURL(new Blob([code], { type: "text/javascript" })), options);
      },
    });
  }

  if (globalThis.document) {
    globalThis.memory = async () => {
      const total = mine();
      const reports = [];
      channel.onmessage = ({ data }) => typeof data === "object" && reports.push(data);
      channel.postMessage("report");
      await new Promise((resolve) => setTimeout(resolve, 1000));
      for (const { gpu, wasm } of reports) {
        total.gpu += gpu;
        total.wasm += wasm;
      }
      return { gpuBytes: total.gpu, wasmBytes: total.wasm };
    };
  }
})();
