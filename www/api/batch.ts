/** Many requests: several are under way at a time, and the engine writes their replies side by side. */
import { joined, readOptions as readPage } from "./arguments.js";
import type { CreateChat } from "./chat.js";
import { bad, kind, reading, shown } from "../wire/check.js";
import type { ChatCompletion } from "../wire/protocol.js";

/** More at a time gain nothing: a pass computes the next tokens of so many replies. */
const AT_ONCE = 16;

/** A request of a batch: its answer is whole. */
export type BatchRequest = CreateChat & { stream?: false | null };

/** An answer, or why there is none. */
export type BatchResult = PromiseSettledResult<ChatCompletion>;

/** How far a batch is. */
export interface BatchProgress {
  /** Requests that are answered, or have failed. */
  done: number;
  total: number;
  /** Tokens of those that are answered. */
  promptTokens: number;
  completionTokens: number;
  /** Since the batch began. */
  seconds: number;
  /** Until all are answered, if the rest goes as what came until now. */
  secondsLeft: number;
}

export interface BatchOptions {
  /** Stops those under way; what has not begun does not begin. */
  signal?: AbortSignal | undefined;
  /** Is given each result as it comes, and the place of its request. Where it throws, or rejects, the batch ends with that. */
  onResult?: ((result: BatchResult, index: number) => unknown) | undefined;
  /** Is told how far it is after each result; as `onResult`. */
  onProgress?: ((progress: BatchProgress) => unknown) | undefined;
  /**
   * `throughput`: all are done as soon as can be, those of a length side by side, and prompts are read in whole chunks;
   * `latency`: in the order of the list, and what else is asked meanwhile waits less. By default `latency`.
   */
  schedule?: "latency" | "throughput" | undefined;
}

type Create = (request: BatchRequest, options: { signal?: AbortSignal | undefined }) => Promise<ChatCompletion>;

/** Each result is at its request's place: one that fails fails no other. */
export async function batch(
  create: Create,
  requests: readonly BatchRequest[],
  options?: BatchOptions,
): Promise<BatchResult[]> {
  const { signal, onResult, onProgress, schedule } = reading("An option of batch", () => readOptions(options));
  // What a listener throws stops the others.
  const failed = new AbortController();
  const stop = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])]);
  if (kind(requests) !== "Array") throw bad(`The requests of batch are ${shown(requests)}`, "a list of them");
  const all = reading("The requests of batch", () => Array.from(requests));
  const results: BatchResult[] = Array.from({ length: all.length });
  const started = performance.now();
  const progress = { done: 0, total: all.length, promptTokens: 0, completionTokens: 0 };
  let running = 0;
  const order = schedule === "throughput" ? byLength(all) : all.keys();
  const ask = async (request: BatchRequest) => {
    if (kind(request) !== "object") throw bad(`A request of batch is ${shown(request)}`, "{messages}");
    const given = joined("A request of batch", request, schedule && { schedule });
    if (given.stream)
      throw bad(`stream of a request of batch is ${shown(given.stream)}`, "false, or call chat.completions.create");
    return create(given as unknown as BatchRequest, { signal: stop });
  };
  const each = async () => {
    for (const index of order) {
      running++;
      const [result] = await Promise.allSettled([ask(all[index]!)]);
      running--;
      if (failed.signal.aborted) return;
      results[index] = result;
      await onResult?.(result, index);
      progress.done++;
      if (result.status === "fulfilled") {
        progress.promptTokens += result.value.usage?.prompt_tokens ?? 0;
        progress.completionTokens += result.value.usage?.completion_tokens ?? 0;
      }
      const seconds = (performance.now() - started) / 1000;
      // Those under way are half done, as far as anybody knows.
      const over = progress.done + running / 2;
      const secondsLeft = (seconds / over) * (progress.total - over);
      await onProgress?.({ ...progress, seconds, secondsLeft });
    }
  };
  const work = () =>
    each().catch((thrown) => {
      failed.abort();
      throw thrown;
    });
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, results.length) }, work));
  return results;
}

/** Places, those of the longest requests first: they end together, and none is left to the end by itself. */
function byLength(requests: readonly BatchRequest[]): IterableIterator<number> {
  const lengths = requests.map((request) => {
    try {
      return JSON.stringify(request.messages).length;
    } catch {
      // What cannot be read is refused in its turn.
      return 0;
    }
  });
  return [...requests.keys()].sort((a, b) => lengths[b]! - lengths[a]!).values();
}

function readOptions(options: unknown): BatchOptions {
  if (options === undefined || options === null) return {};
  if (kind(options) !== "object") throw bad(`The options of batch are ${shown(options)}`, "an object");
  for (const name of Object.keys(options)) {
    if (!NAMES.includes(name))
      throw bad(`${name} is not an option of batch`, `${NAMES.join(", ")}; what a reply is like is in each request`);
  }
  const { signal, onResult, onProgress, schedule } = options as BatchOptions;
  // As everywhere, null is what was not given.
  for (const [name, given] of Object.entries({ onResult, onProgress }))
    if ((given ?? undefined) !== undefined && typeof given !== "function")
      throw bad(`${name} is ${shown(given)}`, "a function");
  if ((schedule ?? "latency") !== "latency" && schedule !== "throughput")
    throw bad(`schedule is ${shown(schedule)}`, '"latency" or "throughput"');
  return { signal: readPage("batch", { signal }).page.signal, onResult, onProgress, schedule };
}

const NAMES = ["signal", "onResult", "onProgress", "schedule"];
