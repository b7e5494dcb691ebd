/** What a page can do with whatever a worker has loaded: its text side, and the end of it. */
import { readIds, readMessages, readOptions, readText } from "./arguments.js";
import type { Caller } from "./caller.js";
import { SottoError } from "../wire/errors.js";
import type { AnyMessage, DetokenizeOptions, RenderChatOptions, TokenizeOptions } from "../wire/protocol.js";

export class Loaded {
  /** Bound, so that it works through a proxy of this object too. */
  protected readonly connection: Pick<Caller, "call" | "stream" | "waits" | "end" | "ended">;

  constructor(connection: Caller) {
    this.connection = {
      call: connection.call.bind(connection),
      stream: connection.stream.bind(connection),
      waits: connection.waits.bind(connection),
      end: connection.end.bind(connection),
      ended: connection.ended,
    };
  }

  /** Token ids of a text. */
  async tokenize(text: string, options?: TokenizeOptions): Promise<number[]> {
    const args = { text: readText("text", text), options: readOptions("tokenize", options).wire };
    return this.connection.call("tokenize", args);
  }

  /** The text of token ids; `true` keeps special tokens, as `{ keepSpecial: true }` does. */
  async detokenize(ids: ArrayLike<number>, options?: boolean | DetokenizeOptions): Promise<string> {
    const given = typeof options === "boolean" ? { keepSpecial: options } : options;
    return this.connection.call("detokenize", { ids: readIds(ids), options: readOptions("detokenize", given).wire });
  }

  /** The text of each token as the model's file writes it: a byte of a longer character or a space may look odd. */
  async pieces(ids: ArrayLike<number>): Promise<string[]> {
    return this.connection.call("pieces", { ids: readIds(ids) });
  }

  /** The text that the model's chat template makes of messages, which is what the model reads. */
  async renderChat(messages: readonly AnyMessage[], options?: RenderChatOptions): Promise<string> {
    const args = { messages: readMessages(messages), options: readOptions("renderChat", options).wire };
    return this.connection.call("renderChat", args);
  }

  /** Frees the memory and ends the workers; running calls fail with code `disposed`. */
  dispose(): Promise<void> {
    return this.connection.end(new SottoError("disposed", "The model was disposed; load it again."));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
