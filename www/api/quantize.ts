/** What `sotto/compress` has a worker do. */
import { readOptions } from "./arguments.js";
import { once } from "./once.js";
import { describe, transferred } from "./source.js";
import { bad } from "../wire/check.js";
import type { Source } from "../wire/protocol.js";
import type { QuantizeOptions, QuantizeReport } from "../wire/quantize.js";

/** Checks the options, then has the file written to the stream's port, which `begin` makes, or into the store. */
export async function quantizeInWorker(
  source: Source,
  options: QuantizeOptions,
  begin: (stream: WritableStream<Uint8Array>) => MessagePort,
): Promise<QuantizeReport> {
  const { type, to, name, importance, onProgress, onWarning, ...page } = readOptions("quantize", options).page;
  if (type === undefined) throw bad("type is missing", 'what matrices become, such as "q4_k"');
  if (to === undefined) throw bad("to is missing", 'a WritableStream or "store"');
  const over = new AbortController();
  const transfer: Transferable[] = [];
  const args = () => {
    const data = describe(source, page, over.signal);
    const port = to === "store" ? undefined : begin(to);
    transfer.push(...transferred(data), ...(port ? [port] : []));
    return {
      source: data,
      type,
      to: port ? { kind: "port" as const, port } : { kind: "store" as const },
      ...(name !== undefined && { name }),
      ...(importance && { importance }),
    };
  };
  try {
    return await once("quantize", args, {
      ...page,
      what: "The quantising",
      tidy: true,
      transfer,
      onEvent: (event) => ("progress" in event ? onProgress?.(event.progress) : onWarning?.(event.warning)),
    });
  } finally {
    over.abort();
  }
}
