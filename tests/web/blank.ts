/** Fixture: an empty page with the built package, beside models and odd workers. */
import type { Page } from "@playwright/test";
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { sendFile, serve } from "../../tools/serve.mjs";
import { ROOT } from "../../tools/setup.mjs";
import { tinyRepository } from "../../tools/tiny-model.mjs";
import { test as base, tinyModel } from "./servers.js";

export { expect } from "@playwright/test";

export type Package = typeof import("../../www/api/index.js");

/** Makes the adapter a graphics card by its name. */
const CARD = `
  const get = (name, value) => Object.defineProperty(GPUAdapter.prototype, name, { get: value });
  get("info", () => ({ vendor: "acme", architecture: "", device: "", description: "Acme 3000", isFallbackAdapter: false }));`;

/** What is done to a worker before the package starts in it: mostly to its WebGPU. */
const WORKERS: Record<string, string> = {
  // It says how large its wasm memory is, which never shrinks.
  weighed: `
    let memory;
    for (const name of ["instantiate", "instantiateStreaming"]) {
      const start = WebAssembly[name];
      WebAssembly[name] = async (...given) => {
        const started = await start.apply(WebAssembly, given);
        memory ??= (started.instance ?? started).exports.memory;
        return started;
      };
    }
    const channel = new BroadcastChannel("memory");
    channel.onmessage = ({ data }) => data === "?" && channel.postMessage(memory?.buffer.byteLength ?? 0);`,
  // What it is told ends its devices, or itself.
  mortal: `
    const devices = [];
    const request = globalThis.GPUAdapter?.prototype.requestDevice;
    if (request) GPUAdapter.prototype.requestDevice = async function (...given) {
      devices.push(await request.apply(this, given));
      return devices.at(-1);
    };
    new BroadcastChannel("fate").onmessage = ({ data }) => {
      if (data === "device") for (const device of devices.splice(0)) device.destroy();
      else self.close();
    };`,
  "without-gpu": "delete WorkerNavigator.prototype.gpu;",
  "without-adapter": "GPU.prototype.requestAdapter = async () => null;",
  "without-device": `${CARD} GPUAdapter.prototype.requestDevice = async () => { throw new TypeError("no device today"); };`,
  "small-card": `${CARD}
    const limits = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, "limits").get;
    get("limits", function () {
      const all = limits.call(this);
      const some = {};
      for (const name in all) some[name] = all[name];
      return { ...some, maxStorageBufferBindingSize: 4096 };
    });`,
};

function script(response: ServerResponse, text: string): void {
  response.setHeader("content-type", "text/javascript").end(text);
}

/** Bytes that the last endless file sent. */
let sent = 0;

/** A tiny model, and zeros after it. */
function endless(response: ServerResponse, path: string): void {
  sent = 0;
  const send = (bytes: Buffer) => {
    while (!response.destroyed) {
      sent += bytes.length;
      if (!response.write(bytes)) return void response.once("drain", () => send(Buffer.alloc(1 << 16)));
    }
  };
  response.setHeader("content-length", 1e12);
  send(readFileSync(tinyModel(path.slice("/endless/".length, -".gguf".length))));
}

/**
 * A page with the package's exports in `sotto`; /tiny/NAME.gguf makes that model, /repositories/NAME/ one as Hugging Face has it,
 * /workers/NAME.js is an odd worker.
 */
export const test = base.extend<{ blank: Page }>({
  blank: async ({ page }, use) => {
    const server = await serve({
      "/dist/": join(ROOT, "dist"),
      "/models/": join(ROOT, "models"),
      "/tiny/": (_request: unknown, response: ServerResponse, path: string) =>
        response.end(readFileSync(tinyModel(path.slice("/tiny/".length, -".gguf".length)))),
      "/repositories/": (request: IncomingMessage, response: ServerResponse, path: string) => {
        const [name, ...rest] = path.slice("/repositories/".length).split("/");
        sendFile(request, response, join(tinyRepository(name!), ...rest));
      },
      // Goes on for as long as it is read; what was taken is in the next answer's length.
      "/endless/": (_request: unknown, response: ServerResponse, path: string) => endless(response, path),
      "/endless-sent": (_request: unknown, response: ServerResponse) => response.end(String(sent)),
      "/workers/": (_request: unknown, response: ServerResponse, path: string) =>
        script(response, `import "/patches/${path.slice("/workers/".length)}"; import "/dist/worker.js";`),
      "/patches/": (_request: unknown, response: ServerResponse, path: string) =>
        script(response, WORKERS[path.slice("/patches/".length, -".js".length)]!),
      "/": (_request: unknown, response: ServerResponse) =>
        response.setHeader("content-type", "text/html").end("<!doctype html>"),
    });
    await page.goto(server.url);
    await page.evaluate(async () => {
      const url = "/dist/index.js";
      Object.assign(globalThis, { sotto: await import(url) });
    });
    await use(page);
    server.close();
  },
});
