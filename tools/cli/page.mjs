// A page in headless Chromium that holds what a command loaded.
import { existsSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { ROOT, Stop, ensurePackages } from "../setup.mjs";
import { inFlags } from "./flags.mjs";

/** Opens a page; `work` gets functions that call the package there. */
export async function openPage({ model, options, profile, adapter = [] }, command, work) {
  const path = localPath(model);
  const adapters = adapter.map(readAdapter);
  await ensureBuilt();
  const { ISOLATED, serve, sendFile } = await import("../serve.mjs");
  const { launchBrowser, orStop } = await import("../browser.mjs");
  const routes = {
    "/dist/": join(ROOT, "dist"),
    // The other files of a model in several lie beside the first.
    "/model/": (request, response, pathname) =>
      sendFile(request, response, join(dirname(path), basename(decodeURIComponent(pathname)))),
    // Those of the folder of an adapter.
    "/adapter/": (request, response, pathname) => {
      const [at, file] = decodeURIComponent(pathname).split("/").slice(-2);
      sendFile(request, response, join(adapters[at].folder, file));
    },
    "/": (_request, response) =>
      response.setHeader("content-type", "text/html").end("<!doctype html><title>sotto</title>"),
  };
  const server = await serve(routes, { headers: ISOLATED });
  let browser;
  try {
    let page;
    const webgpu = options.load?.backend === "webgpu";
    ({ browser, page } = await launchBrowser(server.url, { webgpu, exactTimes: profile }));
    const failed = "the page failed";
    await orStop(
      page.exposeFunction("write", (piece) => void process.stdout.write(piece)),
      failed,
    );
    const source = path === undefined ? model : `${server.url}/model/${encodeURIComponent(basename(path))}`;
    const attempt = async (action, ...args) => {
      const given = SOURCED.includes(action) ? [args[0], { ...args[1], ...hubOf(model) }] : args;
      const result = await orStop(page.evaluate(inPage, { action, args: given }), failed);
      if (result.error && source) result.error.message = result.error.message.replaceAll(source, model);
      if (result.error) result.error.message = inFlags(result.error.message, command);
      return result;
    };
    const call = async (action, ...args) => {
      const { value, error } = await attempt(action, ...args);
      if (error) throw new Stop(`${error.message} (${error.code})`);
      return value;
    };
    const located = adapters.map(({ folder, file, address, scale }, at) => ({
      address: folder === undefined ? address : `${server.url}/adapter/${at}/${encodeURIComponent(file)}`,
      scale,
    }));
    await work({ attempt, call, source, adapters: located });
  } finally {
    await browser?.close();
    server.close();
  }
}

/** Of a file here; none of an address, and where there is no model. */
function localPath(model) {
  if (model === undefined || /^(https?|hf):/i.test(model)) return undefined;
  const path = resolve(model);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new Stop(`there is no file ${model}.`);
  if (stat.isDirectory()) throw new Stop(`${model} is a folder; give the .gguf file in it.`);
  if (!stat.isFile()) throw new Stop(`${model} is no file that can be read twice; give a .gguf file.`);
  return path;
}

/** `FILE_OR_URL[=SCALE]`; of a folder PEFT's file. */
function readAdapter(given) {
  const [, before, number] = /^(.*)=(-?[\d.]+(?:e-?\d+)?)$/s.exec(given) ?? [];
  const [from, scale] = number === undefined ? [given, 1] : [before, Number(number)];
  if (/^(https?|hf):/i.test(from)) return { address: from, scale };
  const path = resolve(from);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new Stop(`there is no file ${from}.`);
  if (stat.isDirectory()) return { folder: path, file: "adapter_model.safetensors", scale };
  return { folder: dirname(path), file: basename(path), scale };
}

/** Calls that are given where a model is, and options. */
const SOURCED = ["load", "loadText", "inspect"];

/** The hub of `hf:` addresses, by the variables that Hugging Face's own tools read. */
function hubOf(model) {
  const { HF_ENDPOINT: endpoint, HF_TOKEN: token } = process.env;
  if (!/^hf:/i.test(model ?? "") || !(endpoint || token)) return {};
  return { hub: { ...(endpoint && { endpoint }), ...(token && { token }) } };
}

async function ensureBuilt() {
  ensurePackages();
  if (existsSync(join(ROOT, "dist", "sotto_bg.wasm"))) return;
  const { build } = await import("../build.mjs");
  await build();
}

/** Runs inside the page: loads, or calls a method of what was loaded. */
async function inPage({ action, args }) {
  try {
    if (action === "load") {
      const { load } = await import("/dist/index.js");
      const [source, options] = args;
      await globalThis.model?.dispose();
      const warnings = [];
      const started = performance.now();
      globalThis.model = await load(source, {
        cache: "none",
        ...options,
        onWarning: ({ message }) => warnings.push(message),
      });
      return { value: { info: globalThis.model.info, loadMs: performance.now() - started, warnings } };
    }
    if (action === "loadText") {
      const { loadText } = await import("/dist/index.js");
      globalThis.model = await loadText(...args);
      return { value: globalThis.model.header };
    }
    if (action === "inspect") {
      const { inspect } = await import("/dist/index.js");
      return { value: await inspect(...args) };
    }
    const { model } = globalThis;
    if (action === "adapter") return { value: await model.adapters.load(...args) };
    if (action === "generate") {
      const [prompt, options, stream] = args;
      const all = { text: "", tokens: [] };
      for await (const { text, tokens, ...last } of model.generate(prompt, options)) {
        if (stream && text) await globalThis.write(text);
        all.text += text;
        all.tokens.push(...tokens);
        Object.assign(all, last);
      }
      return { value: { ...all, memory: model.info.memory } };
    }
    if (action === "ask") {
      const [request] = args;
      const { create } = request?.prompt === undefined ? model.chat.completions : model.completions;
      const answer = await create(request);
      if (!request.stream) return { value: answer };
      for await (const chunk of answer) await globalThis.write(`${JSON.stringify(chunk)}\n`);
      return {};
    }
    if (action === "embed") {
      const [texts, options] = args;
      const { dimensions } = { ...model.info.embedding, ...options };
      const vectors = (await model.embed(texts, options)).map((vector) => Array.from(vector));
      const ids = await Promise.all(
        texts.map((text) => model.tokenize(`${options?.prompt ?? ""}${text}`, { addSpecial: true })),
      );
      const tokens = ids.map(({ length }) => Math.min(length, model.info.contextLength));
      return { value: { vectors, dimensions, tokens } };
    }
    if (action === "memory") return { value: model.info.memory };
    return { value: await model[action](...args) };
  } catch (error) {
    return { error: { code: error?.code ?? "internal", message: error?.message ?? String(error) } };
  }
}
