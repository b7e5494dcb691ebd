/**
 * A stream or bytes that live in the page, read by the worker through a port: the worker asks for a
 * chunk, the page answers with a copy. (Safari cannot transfer streams, and a transferred buffer
 * would be lost to its owner.)
 */
import { SottoError, type ErrorData } from "./errors.js";

const PIECE = 4 << 20;

type Ask = "pull" | "cancel";
type Answer = { chunk: Uint8Array } | { done: true } | { error: ErrorData };

/** Page side: answers the worker's pulls from `source`, and returns the port to send. */
export function pump(source: ReadableStream<Uint8Array> | Uint8Array): MessagePort {
  const pieces = source instanceof Uint8Array ? bytePieces(source) : streamPieces(source);
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = async ({ data }: MessageEvent<Ask>) => {
    if (data === "cancel") {
      port1.close();
      await pieces.return(undefined).catch(() => {});
      return;
    }
    let answer: Answer;
    try {
      const { done, value } = await pieces.next();
      answer = done ? { done: true } : { chunk: value };
    } catch (thrown) {
      answer = { error: SottoError.from(thrown, "io").toData() };
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
      if ("error" in answer) throw SottoError.from(answer.error);
      controller.close();
    },
    cancel() {
      port.postMessage("cancel" satisfies Ask);
      port.close();
    },
  });
}

async function* bytePieces(bytes: Uint8Array): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  // A copy of each piece: posting a view would copy its whole buffer.
  for (let at = 0; at < bytes.length; at += PIECE) yield new Uint8Array(bytes.subarray(at, at + PIECE));
}

async function* streamPieces(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let reader: ReadableStreamDefaultReader<Uint8Array>;
  try {
    reader = stream.getReader();
  } catch (cause) {
    throw new SottoError("bad_option", "The model's stream is already being read; pass a fresh one.", { cause });
  }
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (!(value instanceof Uint8Array))
        throw new SottoError("bad_option", "The model's stream gives something else than Uint8Array chunks.");
      yield* bytePieces(value);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
