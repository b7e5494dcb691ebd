/** Fixtures: the chat page with the fake engine or the real package, and a server that misbehaves. */
import { test as base } from "@playwright/test";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { bundle } from "../../tools/build.mjs";
import { startChat } from "../../tools/chat-server.mjs";
import { ROOT } from "../../tools/setup.mjs";

const RESULTS = join(ROOT, "test-results");
export const DEFAULT_MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf";

/** Each path of this server fails in its own way; other sites may read it. */
const BAD: Record<string, (response: ServerResponse) => void> = {
  "/missing.gguf": (response) => response.writeHead(404).end(),
  "/range.gguf": (response) => response.writeHead(416).end(),
  "/broken.gguf": (response) => response.writeHead(500).end(),
  "/page.gguf": (response) =>
    response.setHeader("content-type", "text/html").end("<!doctype html><title>Sign in</title>"),
  "/cut.gguf": (response) => {
    response.setHeader("content-length", 1_000_000);
    response.write(Buffer.concat([Buffer.from("GGUF\x03\0\0\0", "latin1"), Buffer.alloc(50_000)]));
    setTimeout(() => response.destroy(), 300);
  },
  "/slow.gguf": (response) => {
    response.setHeader("content-length", 100_000_000);
    response.write(Buffer.concat([Buffer.from("GGUF\x03\0\0\0", "latin1"), Buffer.alloc(2_000_000)]));
  },
};

interface Servers {
  fakeChat: string;
  realChat: string;
  bad: string;
}

export const test = base.extend<object, Servers>({
  fakeChat: [
    async ({}, use, { workerIndex }) => {
      const dist = join(RESULTS, `fake-${workerIndex}`);
      const models = join(RESULTS, `fake-models-${workerIndex}`);
      mkdirSync(dist, { recursive: true });
      mkdirSync(models, { recursive: true });
      await bundle(dist, { engine: join(ROOT, "tests", "web", "fake-engine.ts") });
      writeFileSync(join(models, DEFAULT_MODEL), Buffer.concat([Buffer.from("GGUF"), Buffer.alloc(3_000_000)]));
      const { url, close } = await startChat({ port: 0, dist, models });
      await use(url);
      await close();
    },
    { scope: "worker" },
  ],
  realChat: [
    async ({}, use) => {
      const { url, close } = await startChat({ port: 0 });
      await use(url);
      await close();
    },
    { scope: "worker" },
  ],
  bad: [
    async ({}, use) => {
      const server = createServer((request, response) => {
        response.setHeader("access-control-allow-origin", "*");
        (BAD[request.url!] ?? BAD["/missing.gguf"]!)(response);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
      server.closeAllConnections();
      server.close();
    },
    { scope: "worker" },
  ],
});

export { expect } from "@playwright/test";
export { tinyModel } from "../../tools/tiny-model.mjs";
