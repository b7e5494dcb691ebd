/** Files by their names on a hub: how they are found, and what is said where they are not. */
import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { describe } from "../../www/api/source.js";
import type { SourceData } from "../../www/wire/protocol.js";
import { open } from "../../www/worker/fetch.js";
import { othersOf } from "../../www/worker/parts.js";
import { type FakeFolder, fakeFolder, fakeLocks } from "./fake-folder.js";
import { madeUp } from "./file-server.js";
import { codeOf } from "./harness.js";

const FILE = madeUp(100_000);
const SHA256 = createHash("sha256").update(FILE).digest("hex");
const never = new AbortController().signal;

const at = (path: string, oid = SHA256) => ({ type: "file", path, lfs: { oid } });
const LISTED = [
  { type: "directory", path: "extra" },
  { type: "file", path: "README.md" },
  at("model-Q4_K_M.gguf"),
  at("extra/other-model-Q4_K_M.gguf", "0".repeat(64)),
  at("mmproj-F16.gguf"),
  at("model-IQ4_XS.gguf"),
  at("model-BF16-00001-of-00002.gguf"),
  at("model-Q8_0.gguf", "0".repeat(64)),
];

let hub: Server;
let endpoint: string;
let asked: string[];
let folder: FakeFolder;
beforeEach(async () => {
  asked = [];
  folder = fakeFolder();
  hub = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization ?? ""}`.trim());
    if (request.url!.startsWith("/api/models/me/gated") && !request.headers.authorization)
      return void response.writeHead(401).end();
    if (request.url!.startsWith("/api/")) return void response.end(JSON.stringify(LISTED));
    if (request.url!.includes("/resolve/")) return void response.setHeader("content-length", FILE.length).end(FILE);
    response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => hub.listen(0, "127.0.0.1", resolve));
  endpoint = `http://127.0.0.1:${(hub.address() as AddressInfo).port}`;
  vi.stubGlobal("navigator", { locks: fakeLocks(), storage: {}, onLine: true });
});
afterEach(() => {
  vi.unstubAllGlobals();
  hub.closeAllConnections();
  hub.close();
});

async function load(url: string, more: Partial<Extract<SourceData, { kind: "url" }>> = {}): Promise<number> {
  const opening = { openStore: async () => folder, patience: { tries: 1, waitMs: 1, stallMs: 5000 } };
  const feed = await open({ kind: "url", url, hub: { endpoint }, ...more }, never, opening);
  let bytes = 0;
  for await (const chunk of feed.chunks) bytes += chunk.length;
  return bytes;
}

test("a file is found by its quantization, and compared with the hub's hash; then it is there without the hub", async () => {
  expect(await load("hf:me/it:q4_k_m")).toBe(FILE.length);
  expect(asked).toEqual([
    "GET /api/models/me/it/tree/main?recursive=true",
    "GET /me/it/resolve/main/model-Q4_K_M.gguf",
  ]);
  expect(await load("hf:me/it:q4_k_m")).toBe(FILE.length);
  expect(asked.length).toBe(3);
  hub.closeAllConnections();
  hub.close();
  expect(await load("hf:me/it:q4_k_m", { cache: "only" })).toBe(FILE.length);
  expect(await load("hf:me/it:q4_k_m")).toBe(FILE.length);
  expect(await codeOf(load("hf:me/it:Q8_0"))).toBe("network");
  expect(await codeOf(load("hf:me/it:Q8_0", { cache: "only" }))).toBe("not_stored");
});

test("or by its path, at a revision, with a token", async () => {
  const token = { hub: { endpoint, token: "hf_x" } };
  expect(await load("hf:me/gated/model-IQ4_XS.gguf@v1.0", token)).toBe(FILE.length);
  expect(asked).toEqual([
    "GET /api/models/me/gated/tree/v1.0?recursive=true Bearer hf_x",
    "GET /me/gated/resolve/v1.0/model-IQ4_XS.gguf Bearer hf_x",
  ]);
  await expect(load("hf:me/gated:Q8_0")).rejects.toMatchObject({
    code: "http",
    message: expect.stringContaining("pass hub: { token }"),
  });
});

test("what the hub has instead is said", async () => {
  await expect(load("hf:me/it:Q2_K")).rejects.toMatchObject({
    code: "bad_option",
    message: 'me/it has no file for "hf:me/it:Q2_K"; it has Q4_K_M, IQ4_XS, BF16, Q8_0.',
  });
  expect(await codeOf(load("hf:me/it/none.gguf"))).toBe("bad_option");
  // Another file than the list promised.
  expect(await codeOf(load("hf:me/it:Q8_0"))).toBe("checksum");
});

test("of a model in several files the first is found, and the others by it", async () => {
  const source: SourceData = { kind: "url", url: "hf:me/it:BF16", hub: { endpoint } };
  const feed = await open(source, never, { openStore: async () => folder });
  expect(feed.address).toBe(`${endpoint}/me/it/resolve/main/model-BF16-00001-of-00002.gguf`);
  const second = "hf:me/it/model-BF16-00002-of-00002.gguf@main";
  expect(othersOf(source, feed.address)).toEqual([{ kind: "url", url: second, hub: { endpoint } }]);
  const plain = `${endpoint}/a/model-00001-of-00003.gguf?x=1`;
  const names = othersOf({ kind: "url", url: plain, sha256: SHA256 }, undefined).map(
    (other) => (other as { url: string }).url,
  );
  expect(names).toEqual([2, 3].map((part) => `${endpoint}/a/model-0000${part}-of-00003.gguf?x=1`));
  expect(othersOf({ kind: "url", url: `${endpoint}/model.gguf` }, undefined)).toEqual([]);
});

test("the address of a hub's page becomes that of its file; what names no file is refused at once", () => {
  const url = (source: string, hub = {}) => (describe(source, { hub }, never) as { url: string }).url;
  const page = "https://huggingface.co/me/it/blob/main/sub/a%20b.gguf";
  expect(url(page)).toBe(page.replace("/blob/", "/resolve/"));
  expect(url("https://hub.example/me/it/blob/main/a.gguf", { endpoint: "https://hub.example/" })).toContain(
    "/resolve/",
  );
  expect(url("https://elsewhere.example/me/it/blob/main/a.gguf")).toContain("/blob/");
  expect(url("hf:me/it:Q4_K_M")).toBe("hf:me/it:Q4_K_M");
  expect(url("https://huggingface.co/me/it")).toBe("hf:me/it");
  expect(url("https://huggingface.co/me/it/tree/v1.0")).toBe("hf:me/it@v1.0");
  expect(url("https://huggingface.co/me/it.gguf")).toBe("https://huggingface.co/me/it.gguf");
  for (const bad of ["hf:me", "hf:me/it/readme.md", "hf:me/it:", "hf:me/it/a.gguf@"])
    expect(() => url(bad)).toThrow("names no file on a hub");
});
