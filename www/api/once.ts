/** A call to a worker that lives as long as the call. */
import { requireWorkers } from "./causes.js";
import type { CallOptions } from "./caller.js";
import { Connection } from "./connection.js";
import { absolute } from "./source.js";
import { startWorker, workersOf } from "./start.js";
import { SottoError, aborted } from "../wire/errors.js";
import type { Calls, Method, PageOptions } from "../wire/protocol.js";

interface Once<M extends Method> extends CallOptions<M>, Pick<PageOptions, "workerUrl" | "wasmUrl"> {
  what: string;
  /** Waits until what an aborted call has begun is put right. */
  tidy?: boolean;
}

/** `args` are made once it is known that there can be workers. */
export async function once<M extends Method>(
  method: M,
  args: () => Calls[M]["args"],
  { workerUrl, wasmUrl, tidy, ...options }: Once<M>,
): Promise<Calls[M]["result"]> {
  const { what, signal } = options;
  if (signal?.aborted) throw aborted(what, signal);
  requireWorkers();
  const url = workerUrl && absolute(workerUrl, "worker.js");
  const given = args();
  const connection = new Connection(
    workersOf(() => startWorker(url), url),
    wasmUrl && absolute(wasmUrl, "sotto_bg.wasm"),
  );
  try {
    return await connection.call(method, given, options);
  } finally {
    const ended = connection.end(new SottoError("disposed", `${what} is over.`));
    if (tidy) await ended;
  }
}
