/** Many requests: several are under way at a time, and the engine writes their replies side by side. */
import type { CreateChat } from "./chat.js";
import { bad, kind, reading, shown } from "../wire/check.js";
import type { ChatCompletion } from "../wire/protocol.js";

/** More at a time gain nothing: a pass computes the next tokens of so many replies. */
const AT_ONCE = 16;

/** A request of a batch: its answer is whole. */
export type BatchRequest = CreateChat & { stream?: false | null };

/** An answer, or why there is none. */
export type BatchResult = PromiseSettledResult<ChatCompletion>;

export interface BatchOptions {
  /** Stops those under way; what has not begun does not begin. */
  signal?: AbortSignal | undefined;
  /** Is given each result as it comes, and the place of its request. */
  onResult?: ((result: BatchResult, index: number) => void) | undefined;
}

type Create = (request: BatchRequest, options: { signal?: AbortSignal | undefined }) => Promise<ChatCompletion>;

/** Each result is at its request's place: one that fails fails no other. */
export async function batch(
  create: Create,
  requests: readonly BatchRequest[],
  options?: BatchOptions,
): Promise<BatchResult[]> {
  const { signal, onResult } = reading("An option of batch", () => readOptions(options));
  if (kind(requests) !== "Array") throw bad(`The requests of batch are ${shown(requests)}`, "a list of them");
  const all = reading("The requests of batch", () => Array.from(requests));
  const results: BatchResult[] = Array.from({ length: all.length });
  let next = 0;
  const work = async () => {
    while (next < results.length) {
      const index = next++;
      const [result] = await Promise.allSettled([create(all[index]!, { signal })]);
      results[index] = result;
      onResult?.(result, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, results.length) }, work));
  return results;
}

function readOptions(options: unknown): BatchOptions {
  if (options === undefined || options === null) return {};
  if (kind(options) !== "object") throw bad(`The options of batch are ${shown(options)}`, "an object");
  for (const name of Object.keys(options)) {
    if (name !== "signal" && name !== "onResult")
      throw bad(`${name} is not an option of batch`, "signal or onResult; what a reply is like is in each request");
  }
  const { signal, onResult } = options as BatchOptions;
  if (onResult !== undefined && typeof onResult !== "function")
    throw bad(`onResult is ${shown(onResult)}`, "a function");
  return { signal, onResult };
}
