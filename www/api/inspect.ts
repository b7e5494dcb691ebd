/** What a model's file is, and whether it runs here, before its weights are fetched. */
import { readOptions } from "./arguments.js";
import { once } from "./once.js";
import { describe, transferred } from "./source.js";
import type { InspectOptions, Inspection, Source } from "../wire/protocol.js";

/**
 * Reads a file's header, by ranges, and nothing after it: what the model is, and in `verdict` whether it runs on this
 * device, what it would take and how fast it would be. Options are those that `load` would get.
 */
export async function inspect(source: Source, options?: InspectOptions): Promise<Inspection> {
  const { wire, page } = readOptions("inspect", options);
  const { signal, workerUrl, wasmUrl } = page;
  const over = new AbortController();
  const transfer: Transferable[] = [];
  const touch = (globalThis.navigator?.maxTouchPoints ?? 0) > 1;
  const args = () => {
    const data = describe(source, page, over.signal);
    transfer.push(...transferred(data));
    return { source: data, options: wire, touch };
  };
  try {
    const places = { ...(workerUrl && { workerUrl }), ...(wasmUrl && { wasmUrl }) };
    return await once("inspect", args, { what: "The inspection", signal, transfer, ...places });
  } finally {
    over.abort();
  }
}
