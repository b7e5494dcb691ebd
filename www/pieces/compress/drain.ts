/**
 * A stream that lives in the page, written by the worker through a port: the worker sends a piece, the page answers once the
 * stream has taken it. (Safari cannot transfer streams.)
 */
import { SottoError } from "sotto";

/** Page side: answers each piece of the worker's, and returns the port to send. */
export function drain(writer: WritableStreamDefaultWriter<Uint8Array>): MessagePort {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = async ({ data }: MessageEvent<Uint8Array>) => {
    let error: ReturnType<SottoError["toData"]> | null = null;
    try {
      await writer.write(data);
    } catch (thrown) {
      error = SottoError.from(thrown, "io", "The stream that is written to failed").toData();
    }
    port1.postMessage(error);
  };
  return port2;
}
