/** Repositories of safetensors: which of their files are asked for, in which order, and what is said where one is missing. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { describe } from "../../www/api/source.js";
import { SottoError } from "../../www/wire/errors.js";
import type { SourceData } from "../../www/wire/protocol.js";
import { open } from "../../www/worker/fetch.js";
import { isRepository } from "../../www/worker/hub.js";
import { othersOf } from "../../www/worker/parts.js";
import { type Repositories, converting } from "../../www/worker/repository.js";
import { type FakeFolder, fakeFolder, fakeLocks } from "./fake-folder.js";
import { codeOf } from "./harness.js";

const never = new AbortController().signal;
const SMALL = { "config.json": "{}", "tokenizer.json": "[]" };
const WEIGHTS = { "one.safetensors": "HEAD1111", "two.safetensors": "HEAD22" };
const ALL: Record<string, string> = { ...SMALL, ...WEIGHTS };

/** What was given to the module. */
let given: { name: string; quantize: string | undefined; files: Record<string, string>; freed: number };
/** What the module wants before each file of weights: which file, its first byte, how many; and what it got. */
let wanted: number[][];
let early: string;

/** In the module's place: the GGUF file is "GGUF" and the bytes behind each file's "HEAD". */
class Fake {
  #at = 0;
  #file = 0;
  constructor(name: string, quantize: string | undefined) {
    given = { name, quantize, files: {}, freed: 0 };
  }
  static files = () => [10, "config.json", 10, "tokenizer.json", 10, "chat_template.jinja"];
  add(path: string, bytes: Uint8Array): void {
    given.files[path] = new TextDecoder().decode(bytes);
  }
  weights = () => {
    if (!("config.json" in given.files)) throw new SottoError("missing_part", "No config.");
    return Object.keys(WEIGHTS);
  };
  push_head = (bytes: Uint8Array) => new TextDecoder().decode(bytes).startsWith("HEAD");
  start = () => new TextEncoder().encode("GGUF");
  total = () => 10;
  early = () => Float64Array.from(wanted[this.#file] ?? []);
  push_early(bytes: Uint8Array): void {
    early += new TextDecoder().decode(bytes);
  }
  end_early(): void {
    early += "|";
  }
  push(bytes: Uint8Array): Uint8Array {
    const rest = bytes.slice(Math.max(0, 4 - this.#at));
    this.#at += bytes.length;
    return rest;
  }
  next_file(): void {
    this.#at = 0;
    this.#file++;
  }
  free = () => void given.freed++;
}

let server: Server;
let endpoint: string;
let asked: string[];
let there: Record<string, string>;
/** At addresses that it does not have, the server has a page, as those of single-page apps do. */
let hasPage: boolean;
let folder: FakeFolder;
beforeEach(async () => {
  asked = [];
  wanted = [];
  early = "";
  there = { ...ALL };
  hasPage = false;
  folder = fakeFolder();
  server = createServer((request, response) => {
    asked.push(request.url!);
    if (request.url!.startsWith("/api/"))
      return void response.end(JSON.stringify(Object.keys(there).map((path) => ({ type: "file", path }))));
    const name = request.url!.split("?")[0]!.split("/").at(-1)!;
    const text = there[name];
    if (text === undefined && hasPage)
      return void response.setHeader("content-type", "text/html").end("<!doctype html><title>App</title>");
    if (text === undefined) return void response.writeHead(404).end();
    response.setHeader("content-length", text.length).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  vi.stubGlobal("navigator", { locks: fakeLocks(), storage: {}, onLine: true });
});
afterEach(() => {
  vi.unstubAllGlobals();
  server.closeAllConnections();
  server.close();
});

const url = (url: string, more = {}): SourceData => ({ kind: "url", url, hub: { endpoint }, ...more });

async function load(source: SourceData, more = {}): Promise<string> {
  const convert = converting(async () => Fake as unknown as Repositories);
  const patience = { tries: 1, waitMs: 1, stallMs: 5000 };
  const feed = await open(source, never, { openStore: async () => folder, patience, convert, ...more });
  let text = "";
  for await (const chunk of feed.chunks) text += new TextDecoder().decode(chunk);
  return text;
}

test("a hub's repository is asked for what it lists, its weights' heads first; then it is there without the hub", async () => {
  expect(await load(url("hf:me/it@v1"), { quantize: "q4_0" })).toBe("GGUF111122");
  expect(given).toEqual({ name: "it", quantize: "q4_0", files: SMALL, freed: 1 });
  expect(asked[0]).toBe("/api/models/me/it/tree/v1?recursive=true");
  expect(asked.filter((path) => path.startsWith("/api/"))).toHaveLength(1);
  const names = asked.slice(1).map((path) => path.replace("/me/it/resolve/v1/", ""));
  const weights = Object.keys(WEIGHTS);
  expect(names).toEqual([...Object.keys(SMALL), ...weights, ...weights]);
  server.closeAllConnections();
  server.close();
  expect(await load(url("hf:me/it@v1", { cache: "only" }))).toBe("GGUF111122");
  expect(await load(url("hf:me/it@v1"))).toBe("GGUF111122");
  expect(await codeOf(load(url("hf:me/other")))).toBe("network");
  expect(await codeOf(load(url("hf:me/other", { cache: "only" })))).toBe("not_stored");
});

test("a folder's files are asked for by their names, and what is not there is not needed", async () => {
  expect(await load(url(`${endpoint}/models/it/?key=1`))).toBe("GGUF111122");
  expect(given.name).toBe("it");
  expect(asked).toContain("/models/it/chat_template.jinja?key=1");
  expect(await load(url(`${endpoint}/models/it/`, { cache: "none" }))).toBe("GGUF111122");
});

test("a server that has a page for every address has no more files than its folder", async () => {
  hasPage = true;
  expect(await load(url(`${endpoint}/models/it/`))).toBe("GGUF111122");
  expect(given.files).toEqual(SMALL);
  expect(asked).toContain("/models/it/chat_template.jinja");
  // What is needed is not passed over.
  delete there["two.safetensors"];
  await expect(load(url(`${endpoint}/it/`))).rejects.toMatchObject({ message: expect.stringContaining("web page") });
  delete there["config.json"];
  expect(await codeOf(load(url(`${endpoint}/other/`)))).toBe("missing_part");
});

test("files that a user has picked are found by their paths", async () => {
  const file = (path: string) => Object.assign(new File([ALL[path]!], path), { webkitRelativePath: `folder/${path}` });
  const source = describe(Object.keys(ALL).map(file), {}, never);
  expect(isRepository(source)).toBe(true);
  expect(othersOf(source, undefined)).toEqual([]);
  expect(await load(source)).toBe("GGUF111122");
  const short = describe(["config.json", "tokenizer.json", "one.safetensors"].map(file), {}, never);
  await expect(load(short)).rejects.toMatchObject({
    code: "missing_part",
    message: expect.stringContaining("two.safetensors"),
  });
  expect(given.freed).toBe(1);
});

test("what is wanted before a file of weights is read from whichever has it", async () => {
  there["one.safetensors"] = "HEAD12345";
  wanted = [
    [0, 5, 2, 1, 4, 1],
    [0, 4, 1],
  ];
  const picked = Object.entries(there).map(([path, text]) => new File([text], path));
  const sources = [describe(picked, {}, never), url("hf:me/it"), url(`${endpoint}/it/`, { cache: "none" })];
  for (const source of sources) {
    early = "";
    expect(await load(source)).toBe("GGUF1234522");
    expect(early).toBe("232|1|");
  }
});

test("nothing of the weights is fetched where a file is missing or too large", async () => {
  delete there["two.safetensors"];
  await expect(load(url("hf:me/it"))).rejects.toMatchObject({ code: "missing_part" });
  await expect(load(url(`${endpoint}/it/`))).rejects.toMatchObject({ code: "missing_part" });
  delete there["config.json"];
  expect(await codeOf(load(url("hf:me/it")))).toBe("missing_part");
  there = { ...ALL, "config.json": "x".repeat(1000) };
  await load(url("hf:me/it"));
  // A little more than it may be, so that the module refuses it.
  expect(given.files["config.json"]!.length).toBeGreaterThan(10);
});

test("a repository without safetensors is told what it has", async () => {
  const says = async (...paths: string[]) => {
    there = Object.fromEntries(paths.map((path) => [path, ""]));
    return load(url("hf:me/it")).catch((error: Error) => error.message);
  };
  expect(await says("config.json", "pytorch_model.bin")).toContain("pickles");
  expect(await says("a-Q8_0.gguf", "a-Q4_0.gguf", "mmproj-a-F16.gguf")).toBe(
    "me/it has no safetensors; it has GGUF files: write hf:me/it: and one of Q8_0, Q4_0.",
  );
  expect(await says("sub/a.gguf")).toContain("write hf:me/it/sub/a.gguf");
  expect(await says("README.md")).toContain("no weights");
});

test("what is a repository, and what is not", async () => {
  const is = (address: string) => isRepository({ kind: "url", url: address });
  expect(["hf:me/it", "https://a/b/", "https://a/b/?x=1"].map(is)).toEqual([true, true, true]);
  expect(
    ["hf:me/it:Q8_0", "hf:me/it/a.gguf", "https://a/config.json", "blob:https://a/b/", "store:a/"].map(is),
  ).toEqual(Array(5).fill(false));
  // Of a file, there is nothing to quantize; an adapter is no repository of its own; a hash is one file's.
  expect(await codeOf(load(url(`${endpoint}/one.safetensors`), { quantize: "q4_0" }))).toBe("bad_option");
  expect(await codeOf(load(url("hf:me/it"), { convert: undefined }))).toBe("bad_option");
  expect(await codeOf(load(url("hf:me/it", { sha256: "0".repeat(64) })))).toBe("bad_option");
});
