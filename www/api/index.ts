/**
 * Sotto runs GGUF language models in the browser, on WebGPU or the CPU:
 *
 *     const model = await load("model.gguf");
 *     for await (const { text } of model.generate("Hello")) show(text);
 *
 * Importing this module touches nothing of the browser, so it is safe on a server too.
 */
import { SottoError, aborted } from "../wire/errors.js";
import { connect, type Model } from "./model.js";
import type { LoadOptions, Source, SourceData } from "../wire/protocol.js";
import { pump } from "../wire/pump.js";

export type { Model } from "./model.js";
export { ERROR_CODES, SottoError, type ErrorCode } from "../wire/errors.js";
export type {
  BenchOptions,
  BenchResult,
  Chunk,
  GenerateOptions,
  LoadOptions,
  Memory,
  Message,
  ModelInfo,
  Progress,
  ScoreResult,
  Source,
  Timings,
  Warning,
} from "../wire/protocol.js";

/** Loads a GGUF model in a worker of its own. Rejects with a `SottoError`. */
export async function load(source: Source, options: LoadOptions = {}): Promise<Model> {
  const { signal, workerUrl } = options;
  if (signal?.aborted) throw aborted("Loading the model", signal);
  if (typeof Worker === "undefined") {
    throw new SottoError("no_webgpu", "There are no web workers here; load models in a browser, not on a server.");
  }
  const failed = new AbortController();
  const data = describe(source, options, failed.signal);
  const { wasmUrl } = options;
  const model = connect(() => startWorker(workerUrl), data, {
    ...options,
    ...(wasmUrl !== undefined && { wasmUrl: absolute(wasmUrl) }),
  });
  model.catch(() => failed.abort());
  return model;
}

function startWorker(url: string | URL | undefined): Worker {
  try {
    // The literal form is what bundlers look for.
    return url
      ? new Worker(url, { type: "module" })
      : new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  } catch (cause) {
    throw new SottoError(
      "internal",
      "The worker could not be started; serve worker.js from the page's own origin or pass workerUrl.",
      { cause },
    );
  }
}

/** A source in the form that can be sent to the worker; a stream is cancelled when the load has `failed`. */
function describe(source: Source, { headers }: LoadOptions, failed: AbortSignal): SourceData {
  if (typeof source === "string" || source instanceof URL) {
    return { kind: "url", url: absolute(source), ...(headers && { headers }) };
  }
  if (source instanceof Blob) return { kind: "blob", blob: source };
  if (source instanceof ReadableStream) return { kind: "port", port: pump(source, failed) };
  if (source instanceof ArrayBuffer) return bytes(new Uint8Array(source));
  if (ArrayBuffer.isView(source)) return bytes(new Uint8Array(source.buffer, source.byteOffset, source.byteLength));
  throw new SottoError(
    "bad_option",
    "A model is loaded from a URL, a File or Blob, a ReadableStream, or bytes; this is none of them.",
  );
}

function bytes(data: Uint8Array): SourceData {
  return { kind: "port", port: pump(data), total: data.length };
}

/** Relative to the page; a worker would resolve it relative to its own script. */
function absolute(url: string | URL): string {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  let parsed: URL;
  try {
    parsed = new URL(url, base);
  } catch (cause) {
    throw new SottoError("bad_option", `"${String(url)}" is not a URL; give the full address of a .gguf file.`, {
      cause,
    });
  }
  if (!["http:", "https:", "blob:", "data:"].includes(parsed.protocol)) {
    throw new SottoError(
      "bad_option",
      `A page cannot read "${parsed.protocol}" addresses; use http(s), or pick the file.`,
    );
  }
  return parsed.href;
}
