/** What the fake engine saves of a conversation: its words, in pieces of three letters, and what a hash would tell. */
import type { Restorer, Saver } from "../../www/worker/engine.js";
import type { ChatRequest } from "../../www/wire/generated.js";

const fail = (code: string, message: string) => Object.assign(new Error(message), { name: "SottoError", code });
const written = (request: ChatRequest) =>
  (request.messages as { content: string }[]).map(({ content }) => content).join(" ");

/** `none`: nothing of it is there. */
export function fakeSaver(request: ChatRequest): Saver | undefined {
  const text = written(request);
  if (text === "none") return undefined;
  const bytes = new TextEncoder().encode(`${text}.`);
  let at = 0;
  return {
    tokens: () => text.split(" ").length,
    next: async () => {
      const piece = bytes.slice(at, at + 3);
      at += piece.length;
      return piece.length > 0 ? piece : undefined;
    },
    free() {},
  };
}

/** What does not end with a full stop is damaged; what says "other" is another model's. */
export function fakeRestorer(): Restorer {
  let text = "";
  return {
    push: async (bytes) => {
      text += new TextDecoder().decode(bytes);
    },
    finish: async () => {
      if (text.includes("other")) throw fail("stale_session", "The session was saved of another model.");
      if (!text.endsWith(".")) throw fail("damaged_session", "The session is not as it was written.");
      return text.split(" ").length;
    },
    free() {},
  };
}
