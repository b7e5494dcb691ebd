import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { MAX_CHUNK, open } from "../../www/worker/fetch.js";
import { part } from "../../www/worker/remote.js";
import { pump } from "../../www/wire/pump.js";
import type { SourceData } from "../../www/wire/protocol.js";
import { codeOf } from "./harness.js";

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener);
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.gguf`;
}

const never = new AbortController().signal;
const PATIENT = { tries: 2, waitMs: 1, stallMs: 5000 };

async function read(
  source: SourceData,
  signal = never,
  stallMs = 60_000,
): Promise<{ total: number | undefined; sizes: number[]; bytes: Uint8Array }> {
  const opened = await open(source, signal, { patience: { tries: 2, waitMs: 1, stallMs } });
  const parts: Uint8Array[] = [];
  for await (const chunk of opened.chunks) parts.push(chunk.slice());
  return { total: opened.total, sizes: parts.map((part) => part.length), bytes: new Uint8Array(Buffer.concat(parts)) };
}

/** What a failed read says. */
async function failure(
  source: SourceData,
  signal = never,
  stallMs?: number,
): Promise<{ code: string; message: string }> {
  try {
    await read(source, signal, stallMs);
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error("nothing was thrown");
}

const numbers = (length: number) => Uint8Array.from({ length }, (_, i) => i * 31 + (i >> 8));
const url = (url: string): SourceData => ({ kind: "url", url });

test("a URL's bytes arrive in order, with the total", async () => {
  const data = numbers(3_000_001);
  const address = await serve((_request, response) => response.setHeader("content-length", data.length).end(data));
  const { total, bytes } = await read(url(address));
  expect(total).toBe(data.length);
  expect(Buffer.compare(bytes, data)).toBe(0);
});

test("a header alone is read in parts that grow, and nothing after it", async () => {
  const data = numbers(6_000_000);
  const asked: string[] = [];
  const address = await serve((request, response) => {
    const range = request.headers.range!;
    asked.push(range);
    const [start, end] = range.slice("bytes=".length).split("-").map(Number) as [number, number];
    const last = Math.min(end, data.length - 1);
    response.writeHead(206, {
      "content-range": `bytes ${start}-${last}/${data.length}`,
      "content-length": last + 1 - start,
    });
    response.end(data.subarray(start, last + 1));
  });
  const readSome = async (bytes: number) => {
    asked.length = 0;
    const feed = await open(url(address), never, { keep: false, openStore: () => Promise.reject(new Error("none")) });
    let got = Buffer.alloc(0);
    for await (const chunk of feed.chunks) {
      got = Buffer.concat([got, chunk]);
      if (got.length >= bytes) break;
    }
    expect(Buffer.compare(got, data.subarray(0, got.length))).toBe(0);
    return asked.length;
  };
  expect(await readSome(1000)).toBe(1);
  expect(asked).toEqual(["bytes=0-262143"]);
  expect(await readSome(2_500_000)).toBe(4);
  expect(asked.at(-1)).toBe("bytes=1835008-2883583");
  expect(await readSome(7_000_000)).toBe(7);
});

test("redirects, no content-length and extra headers work", async () => {
  const seen: unknown[] = [];
  const address = await serve((request, response) => {
    seen.push(request.headers.authorization);
    if (request.url === "/model.gguf") return void response.writeHead(302, { location: "/there" }).end();
    response.write("GGUF");
    setTimeout(() => response.end("rest"), 20);
  });
  const { total, bytes } = await read({ kind: "url", url: address, headers: { authorization: "Bearer x" } });
  expect(total).toBeUndefined();
  expect(new TextDecoder().decode(bytes)).toBe("GGUFrest");
  expect(seen).toEqual(["Bearer x", "Bearer x"]);
});

test.each([401, 403, 404, 410, 416, 418, 429, 500, 503])(
  "HTTP %d is a typed error that names the status",
  async (status) => {
    const address = await serve((_request, response) => response.writeHead(status).end("no"));
    const { code, message } = await failure(url(address));
    expect(code).toBe("http");
    expect(message).toContain(`HTTP ${status}`);
    expect(message).toContain(address);
  },
);

test("a web page instead of a model is told by its content type", async () => {
  const address = await serve((_request, response) =>
    response.setHeader("content-type", "text/html; charset=utf-8").end("hello"),
  );
  expect(await failure(url(address))).toMatchObject({
    code: "not_gguf",
    message: expect.stringContaining("is a web page"),
  });
});

test.each([
  ["<!DOCTYPE html><html>", "web page"],
  ["\ufeff \n<html lang=en>", "web page"],
  ["version https://git-lfs.github.com/spec/v1\noid", "Git LFS"],
])("and by its first bytes: %j", async (text, says) => {
  const address = await serve((_request, response) =>
    response.setHeader("content-type", "application/octet-stream").end(text),
  );
  expect(await failure(url(address))).toMatchObject({ code: "not_gguf", message: expect.stringContaining(says) });
  expect(await failure({ kind: "blob", blob: new Blob([text]) })).toMatchObject({ code: "not_gguf" });
});

test("no server there is a network error", async () => {
  expect(await failure(url("http://127.0.0.1:9/model.gguf"))).toMatchObject({
    code: "network",
    message: expect.stringContaining("127.0.0.1:9"),
  });
});

test("a cut in the middle says how much had arrived", async () => {
  const address = await serve((_request, response) => {
    response.setHeader("content-length", 100_000);
    response.write(numbers(40_000));
    setTimeout(() => response.destroy(), 50);
  });
  const { code, message } = await failure(url(address));
  expect(code).toBe("network");
  expect(message).toContain("40000 of 100000 bytes");
  // Nothing of it was kept.
  expect(message).toMatch(/; try again\.$/);
});

test("a server that is gone in the middle is a connection that was cut, not an address that is wrong", async () => {
  const address = await serve((_request, response) => {
    response.setHeader("content-length", 100_000);
    response.write(numbers(40_000));
    setTimeout(() => {
      server!.close();
      response.destroy();
    }, 50);
  });
  const parts = part({ url: address, cache: "no-store" }, { start: 0, total: 100_000 }, never, PATIENT);
  const all = async () => {
    for await (const _ of parts);
  };
  await expect(all()).rejects.toMatchObject({
    code: "network",
    message: `The connection was cut after 40000 of 100000 bytes of ${address}; what has arrived is kept: try again, and it goes on from there.`,
  });
});

test("a repository's name without its hub is asked about, on the page's own site alone", async () => {
  const address = await serve((request, response) => {
    if (request.url!.includes("page")) return void response.setHeader("content-type", "text/html").end("<html>");
    response.writeHead(404).end();
  });
  const at = (path: string) => new URL(path, address).href;
  const says = async (path: string) => (await failure(url(at(path)))).message;
  const asks = "did you mean hf:me/It-0.5B, a repository on the hub";
  expect(await says("/app/me/It-0.5B")).not.toContain("did you mean");
  Object.assign(globalThis, { origin: new URL(address).origin });
  try {
    expect(await says("/app/me/It-0.5B")).toBe(`The server answered HTTP 404 for ${at("/app/me/It-0.5B")}; ${asks}.`);
    expect(await says("/page/me/It-0.5B")).toContain(`is a web page, not a model; ${asks}.`);
    expect(await says("/me/it.gguf")).toContain("there is no such file: check the address");
    expect(await says("/it")).toContain("check the address");
  } finally {
    Object.assign(globalThis, { origin: undefined });
  }
});

test("a server that falls silent is given up", async () => {
  const address = await serve((_request, response) => void response.write(numbers(1000)));
  const { code, message } = await failure(url(address), never, 100);
  expect(code).toBe("network");
  expect(message).toContain("after 1000 bytes");
});

test("an abort stops before, at, and after the first byte, and closes the connection", async () => {
  expect((await failure(url("http://127.0.0.1:9/a.gguf"), AbortSignal.abort())).code).toBe("aborted");
  let closed!: () => void;
  const gone = new Promise<void>((resolve) => (closed = resolve));
  const address = await serve((_request, response) => {
    response.on("close", closed);
    response.write(numbers(1000));
  });
  expect((await failure(url(address), AbortSignal.timeout(60))).code).toBe("aborted");
  await gone;
});

test("a file or blob is read in pieces of at most 4 MiB", async () => {
  const data = numbers(9 << 20);
  const { total, sizes, bytes } = await read({ kind: "blob", blob: new Blob([data]) });
  expect(total).toBe(data.length);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_CHUNK);
  expect(Buffer.compare(bytes, data)).toBe(0);
});

test("bytes come through the port in pieces, and stay with their owner", async () => {
  const data = numbers((9 << 20) + 5);
  const { sizes, bytes } = await read({ kind: "port", port: pump(data.subarray(3)) });
  expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_CHUNK);
  expect(Buffer.compare(bytes, data.subarray(3))).toBe(0);
  expect(data.length).toBe((9 << 20) + 5);
});

test("a stream comes through the port; leaving early cancels it", async () => {
  let pulled = 0;
  let cancelled!: () => void;
  const over = new Promise<void>((resolve) => (cancelled = resolve));
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(numbers(1000));
      },
      cancel: () => cancelled(),
    });
  const opened = await open({ kind: "port", port: pump(endless()) }, never);
  let count = 0;
  for await (const chunk of opened.chunks) {
    expect(chunk).toEqual(numbers(1000));
    if (++count === 3) break;
  }
  await over;
  // It is read as fast as it is asked for, no faster.
  expect(pulled).toBeLessThan(10);
});

async function drain(all: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of all);
}

test("a stream that stalls is cancelled when the worker leaves it, or when the page gives up", async () => {
  for (const who of ["worker", "page"]) {
    let cancelled!: () => void;
    const over = new Promise<void>((resolve) => (cancelled = resolve));
    const stalled = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(numbers(1000)),
      cancel: () => cancelled(),
    });
    const page = new AbortController();
    const worker = new AbortController();
    const opened = await open({ kind: "port", port: pump(stalled, page.signal) }, worker.signal);
    const reading = codeOf(drain(opened.chunks));
    await new Promise((resolve) => setTimeout(resolve, 20));
    (who === "worker" ? worker : page).abort();
    await over;
    worker.abort();
    expect(await reading).toBe("aborted");
  }
});

test("whatever a stream throws is a typed error, and never taken for one of ours", async () => {
  const thrown = ["boom", undefined, Symbol("s"), Object.create(null), { code: "disposed", message: "fake" }];
  for (const value of thrown) {
    const broken = new ReadableStream<Uint8Array>({
      pull() {
        throw value;
      },
    });
    expect(await failure({ kind: "port", port: pump(broken) })).toMatchObject({
      code: "io",
      message: expect.stringMatching(/^The model's stream failed \(.+\)\.$/),
    });
  }
});

test("bytes that their owner transfers away meanwhile are missed", async () => {
  const data = numbers(9 << 20);
  const opened = await open({ kind: "port", port: pump(data) }, never);
  const reading = (async () => {
    for await (const _ of opened.chunks) structuredClone(data.buffer, { transfer: [data.buffer] });
  })();
  await expect(reading).rejects.toMatchObject({ code: "bad_option", message: expect.stringContaining("transferred") });
});

test("an address that was not reached is not blamed on what it cannot be", async () => {
  expect(await failure(url("blob:http://127.0.0.1/gone"))).toMatchObject({
    code: "bad_option",
    message: expect.stringMatching(/^There is nothing at blob:/),
  });
  const same = { origin: "http://127.0.0.1:9" };
  Object.assign(globalThis, same);
  try {
    expect((await failure(url("http://127.0.0.1:9/x"))).message).not.toContain("CORS");
  } finally {
    Object.assign(globalThis, { origin: undefined });
  }
});

test("a stream's own failure, a locked one, and one of strings are typed", async () => {
  const broken = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error("disk on fire")) });
  expect(await failure({ kind: "port", port: pump(broken) })).toMatchObject({
    code: "io",
    message: expect.stringContaining("disk on fire"),
  });
  const locked = new ReadableStream<Uint8Array>();
  locked.getReader();
  expect(await codeOf(read({ kind: "port", port: pump(locked) }))).toBe("bad_option");
  const strings = new ReadableStream({ pull: (controller) => controller.enqueue("GGUF") });
  expect(await codeOf(read({ kind: "port", port: pump(strings) }))).toBe("bad_option");
});
