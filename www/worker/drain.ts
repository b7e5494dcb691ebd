/** The worker's side of a stream that lives in the page (see pieces/compress/drain.ts). */
import { type ErrorData, SottoError } from "../wire/errors.js";

/** Writes a piece; throws what the stream failed with. */
export function portWriter(port: MessagePort): (bytes: Uint8Array) => Promise<void> {
  let settle: (error: ErrorData | null) => void;
  port.onmessage = ({ data }: MessageEvent<ErrorData | null>) => settle(data);
  return async (bytes) => {
    // Of a part, its own: what is sent along is lost here.
    const own = bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
    const error = await new Promise<ErrorData | null>((resolve) => {
      settle = resolve;
      port.postMessage(own, [own.buffer]);
    });
    if (error) throw SottoError.read(error);
  };
}
