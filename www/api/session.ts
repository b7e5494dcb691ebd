/** Conversations with a name, which can be saved: their messages, and what the model has computed of them. */
import { joined, readMessages, readOptions, readText, refuseOthers } from "./arguments.js";
import { type Chat, type ChatOptions, type ChatReply, type CountOptions, said } from "./chat.js";
import type { Caller } from "./caller.js";
import { bad, reading } from "../wire/check.js";
import type { AnyMessage, ChatRequest, FoundSession, PageOptions, SavedSession, Warning } from "../wire/protocol.js";

/** The longest name: it has to fit where the store notes it. */
const LONGEST = 500;

/** A session's name and messages; the other options are those that the template sees, of all its replies. */
export interface SessionOptions extends CountOptions {
  /** What it is saved under. */
  id: string;
  /** With which it begins. */
  messages?: readonly AnyMessage[] | undefined;
}

/** What came back of a saved session. */
export interface Restored {
  /** Tokens that are not read again. */
  tokens: number;
  /** Why there are none, where the file is of another model or version, or damaged: all is read anew then. */
  refused?: Warning;
}

type Call = Pick<Caller, "call">;

export class Session {
  readonly id: string;
  /** What was said so far; it may be changed. */
  messages: readonly AnyMessage[];
  /** Of one that was saved. */
  readonly restored: Restored | undefined;
  #connection: Call;
  #chat: Chat;
  #options: CountOptions;

  /** Use `model.session()`. */
  constructor(connection: Call, chat: Chat, options: SessionOptions, restored?: Restored) {
    refuseOthers("session", options);
    const { id, messages, ...rest } = reading("The options of session", () => ({ ...options }));
    this.id = readName(id);
    this.messages = messages ?? [];
    this.restored = restored;
    this.#connection = connection;
    this.#chat = chat;
    this.#options = rest;
  }

  /** Adds what a user says, or other messages, and the reply to them. Where there is none the messages are as before. */
  async chat(messages: string | readonly AnyMessage[], options?: ChatOptions): Promise<ChatReply> {
    const all = [...this.messages, ...said(messages)];
    const reply = await this.#chat(all, { ...this.#options, ...options });
    this.messages = [...all, reply.message];
    return reply;
  }

  /**
   * Keeps the messages in the browser's store, with what the model has computed of them, in the place of what was saved
   * under this name. Replies under way end first. Throws `storage` where the store is full or cannot be used.
   */
  async save({ signal }: Pick<PageOptions, "signal"> = {}): Promise<SavedSession> {
    const given = joined("An option of session", this.#options, { messages: readMessages(this.messages) });
    const { wire } = readOptions("chat.completions.create", given);
    const args = { id: this.id, request: wire as ChatRequest };
    return this.#connection.call("saveSession", args, { signal, what: "The saving" });
  }
}

/** The session that was saved under a name; none where there is none. */
export async function restore(
  connection: Call,
  chat: Chat,
  id: string,
  { signal }: Pick<PageOptions, "signal"> = {},
): Promise<Session | undefined> {
  const found = await connection.call("restoreSession", { id: readName(id) }, { signal, what: "The restoring" });
  return found ? new Session(connection, chat, ...optionsOf(found)) : undefined;
}

function optionsOf({ id, request, tokens, refused }: FoundSession): [SessionOptions, Restored] {
  const { messages, ...options } = request;
  const session = { ...options, id, messages: messages as AnyMessage[] };
  return [session as SessionOptions, { tokens, ...(refused && { refused }) }];
}

function readName(id: unknown): string {
  const name = readText("the session's id", id);
  if (name === "" || name.length > LONGEST)
    throw bad(`The session's id has ${name.length} letters`, `one of 1 to ${LONGEST}`);
  return name;
}
