/** A model's file, read again where a part of the model stays in it. */
import { SottoError } from "../wire/errors.js";

/** Reads bytes of a file, of each pair (first byte, count), and gives them one behind the other. */
export type Reread = (ranges: Float64Array) => Promise<Uint8Array>;

/** Of a file that is asked for anew each time: it may be another's by then, or gone. */
export function readAgain(file: () => Promise<Blob>, name: string): Reread {
  return async (ranges) => {
    try {
      const whole = await file();
      const parts: Blob[] = [];
      for (let i = 0; i < ranges.length; i += 2) parts.push(whole.slice(ranges[i], ranges[i]! + ranges[i + 1]!));
      return new Uint8Array(await new Blob(parts).arrayBuffer());
    } catch (cause) {
      throw new SottoError("io", `${name} cannot be read any more, and a part of the model is in it; load it again.`, {
        cause,
      });
    }
  };
}
