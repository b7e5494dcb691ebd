/** A model's files, read again where a part of the model stays in them. */
import { SottoError } from "../wire/errors.js";
import type { Feed } from "./stored.js";

/** Reads bytes of files, of each three (which file, first byte, count), and gives them one behind the other. */
export type Reread = (spans: Float64Array) => Promise<Uint8Array>;

/** Of files that are asked for anew each time: one may be another's by then, or gone. */
export function readAgain(files: readonly Pick<Feed, "name" | "file">[]): Reread {
  return async (spans) => {
    const wholes: Blob[] = [];
    const parts: Blob[] = [];
    let name = "";
    try {
      for (let i = 0; i < spans.length; i += 3) {
        const [index, first, count] = [spans[i]!, spans[i + 1]!, spans[i + 2]!];
        const from = files[index]!;
        name = from.name;
        wholes[index] ??= await from.file!();
        parts.push(wholes[index].slice(first, first + count));
      }
      return new Uint8Array(await new Blob(parts).arrayBuffer());
    } catch (cause) {
      throw new SottoError("io", `${name} cannot be read any more, and a part of the model is in it; load it again.`, {
        cause,
      });
    }
  };
}
