/** What a model's file is, and whether it runs here, before its weights are fetched. */
import { readOptions } from "./arguments.js";
import { requireWorkers } from "./causes.js";
import { Connection } from "./connection.js";
import { absolute, describe, transferred } from "./source.js";
import { startWorker, workersOf } from "./start.js";
import { SottoError, aborted } from "../wire/errors.js";
import type { InspectOptions, Inspection, Source } from "../wire/protocol.js";

/**
 * Reads a file's header, by ranges, and nothing after it: what the model is, and in `verdict` whether it runs on this
 * device, what it would take and how fast it would be. Options are those that `load` would get.
 */
export async function inspect(source: Source, options?: InspectOptions): Promise<Inspection> {
  const { wire, page } = readOptions("inspect", options);
  const { signal } = page;
  const what = "The inspection";
  if (signal?.aborted) throw aborted(what, signal);
  requireWorkers();
  const workerUrl = page.workerUrl && absolute(page.workerUrl, "worker.js");
  const over = new AbortController();
  const data = describe(source, page, over.signal);
  const connection = new Connection(
    workersOf(() => startWorker(workerUrl), workerUrl),
    page.wasmUrl && absolute(page.wasmUrl, "sotto_bg.wasm"),
  );
  try {
    const touch = (globalThis.navigator?.maxTouchPoints ?? 0) > 1;
    const args = { source: data, options: wire, touch };
    return await connection.call("inspect", args, { what, signal, transfer: transferred(data) });
  } finally {
    over.abort();
    void connection.end(new SottoError("disposed", `${what} is over.`));
  }
}
