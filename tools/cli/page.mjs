// A page in headless Chromium that holds what a command loaded.
import { existsSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { ROOT, Stop, ensurePackages } from "../setup.mjs";

/** Opens a page; `work` gets functions that call the package there. */
export async function openPage({ model, options, profile }, work) {
  const isUrl = /^https?:/i.test(model ?? "");
  const path = model === undefined ? undefined : resolve(model);
  if (path && !isUrl && !statSync(path, { throwIfNoEntry: false })?.isFile())
    throw new Stop(`there is no file ${model}.`);
  await ensureBuilt();
  const { ISOLATED, serve, sendFile } = await import("../serve.mjs");
  const { firstLine, launchBrowser } = await import("../browser.mjs");
  const routes = {
    "/dist/": join(ROOT, "dist"),
    "/model/": (request, response) => sendFile(request, response, path),
    "/": (_request, response) =>
      response.setHeader("content-type", "text/html").end("<!doctype html><title>sotto</title>"),
  };
  const server = await serve(routes, { headers: ISOLATED });
  let browser;
  try {
    let page;
    const webgpu = options.load?.backend === "webgpu";
    ({ browser, page } = await launchBrowser(server.url, { webgpu, exactTimes: profile }));
    await page.exposeFunction("write", (piece) => void process.stdout.write(piece));
    const source = isUrl || !path ? model : `${server.url}/model/${encodeURIComponent(basename(path))}`;
    const attempt = async (action, ...args) => {
      const result = await page.evaluate(inPage, { action, args }).catch((error) => {
        throw new Stop(`the page failed: ${firstLine(error)}`);
      });
      if (result.error && source) result.error.message = result.error.message.replaceAll(source, model);
      return result;
    };
    const call = async (action, ...args) => {
      const { value, error } = await attempt(action, ...args);
      if (error) throw new Stop(`${error.message} (${error.code})`);
      return value;
    };
    await work({ attempt, call, source });
  } finally {
    await browser?.close();
    server.close();
  }
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
