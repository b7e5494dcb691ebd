/**
 * A stream or bytes that live in the page, read by the worker through a port: the worker asks for a
 * chunk, the page answers with a copy. (Safari cannot transfer streams, and a transferred buffer
 * would be lost to its owner.)
 */
import { SottoError, type ErrorData } from "./errors.js";

const PIECE = 4 << 20;

type Ask = "pull" | "cancel";
type Answer = { chunk: Uint8Array } | { done: true } | { error: ErrorData };

/**
 * Page side: answers the worker's pulls from `source`, and returns the port to send. When `signal` fires, a stream that
 * was begun is cancelled, as it is when the worker says so.
 */
export function pump(source: ReadableStream<Uint8Array> | Uint8Array, signal?: AbortSignal): MessagePort {
  const stopped = new AbortController();
  const pieces = source instanceof Uint8Array ? bytePieces(source) : streamPieces(source, stopped.signal);
  const { port1, port2 } = new MessageChannel();
  const stop = () => {
    port1.close();
    stopped.abort();
  };
  signal?.addEventListener("abort", stop);
  port1.onmessage = async ({ data }: MessageEvent<Ask>) => {
    if (data === "cancel") return stop();
    let answer: Answer;
    try {
      const { done, value } = await pieces.next();
      answer = done ? { done: true } : { chunk: value };
    } catch (thrown) {
      answer = { error: SottoError.from(thrown, "io", "The model's stream failed").toData() };
    }
    port1.postMessage(answer, "chunk" in answer ? [answer.chunk.buffer] : []);
    if (!("chunk" in answer)) port1.close();
  };
  return port2;
}

/** Worker side: the stream behind a port. */
export function portStream(port: MessagePort): ReadableStream<Uint8Array> {
  let settle: (answer: Answer) => void;
  port.onmessage = ({ data }: MessageEvent<Answer>) => settle(data);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const answer = await new Promise<Answer>((resolve) => {
        settle = resolve;
        port.postMessage("pull" satisfies Ask);
      });
      if ("chunk" in answer) return controller.enqueue(answer.chunk);
      port.close();
      if ("error" in answer) throw SottoError.read(answer.error);
      controller.close();
    },
    cancel() {
      port.postMessage("cancel" satisfies Ask);
      port.close();
    },
  });
}

async function* bytePieces(bytes: Uint8Array): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { length } = bytes;
  for (let at = 0; at < length; at += PIECE) {
    if (bytes.length !== length)
      throw new SottoError("bad_option", "The model's bytes were transferred away while they were read; load a copy.");
    // A copy of each piece: posting a view would copy its whole buffer.
    yield new Uint8Array(bytes.subarray(at, at + PIECE));
  }
}

/** A stream that is `stopped` while it waits for a chunk waits no longer. */
async function* streamPieces(
  stream: ReadableStream<Uint8Array>,
  stopped: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let reader: ReadableStreamDefaultReader<Uint8Array>;
  try {
    reader = stream.getReader();
  } catch (cause) {
    throw new SottoError("bad_option", "The model's stream is already being read; pass a fresh one.", { cause });
  }
  const cancel = () => reader.cancel().catch(() => {});
  stopped.addEventListener("abort", cancel);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (Object.prototype.toString.call(value) !== "[object Uint8Array]")
        throw new SottoError("bad_option", "The model's stream gives something else than Uint8Array chunks.");
      yield* bytePieces(value);
    }
  } finally {
    void cancel();
  }
}
