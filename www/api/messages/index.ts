/** Messages of other libraries, as OpenAI's. */
import { modelMessage, uiMessage } from "./ai-sdk.js";
import { langchain } from "./langchain.js";
import type { Shape } from "./shape.js";
import { SottoError } from "../../wire/errors.js";

/** The first that knows a message reads it; what none knows is OpenAI's, or whatever the template reads. */
const SHAPES: readonly Shape[] = [langchain, uiMessage, modelMessage];

/** The messages, and for each the place of the one that it was made of. Throws `bad_option` for parts that are no text. */
export function asOpenAI(messages: readonly unknown[]): { messages: unknown[]; places: number[] } {
  const read: unknown[] = [];
  const places: number[] = [];
  messages.forEach((message, place) => {
    const isObject = typeof message === "object" && message !== null;
    const own = isObject ? one(message, `messages[${place}]`) : [message];
    read.push(...own);
    places.push(...own.map(() => place));
  });
  return { messages: read, places };
}

function one(message: object, place: string): object[] {
  try {
    const shape = SHAPES.find((shape) => shape.knows(message));
    return shape ? shape.read(message as never, place) : [message];
  } catch (thrown) {
    if (thrown instanceof SottoError) throw thrown;
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new SottoError("bad_option", `${place} is not as its library makes it (${why}); give {role, content}.`, {
      cause: thrown,
    });
  }
}
