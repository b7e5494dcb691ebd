/** Conversations with a name, which can be saved: their messages, and what the model has computed of them. */
import { joined, readList, readMessages, readOptions, readText, refuseOthers } from "./arguments.js";
import { type Chat, type ChatOptions, type ChatReply, type CountOptions, said } from "./chat.js";
import type { Caller } from "./caller.js";
import { bad, kind, reading } from "../wire/check.js";
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

type Call = Pick<Caller, "call" | "waits">;

export class Session {
  readonly id: string;
  /** What was said so far; it may be changed. */
  messages: readonly AnyMessage[];
  /** Of one that was saved. */
  readonly restored: Restored | undefined;
  #connection: Call;
  #chat: Chat;
  #options: CountOptions;
  /** Resolves when all replies that were asked for so far are over. */
  #turns: Promise<unknown> = Promise.resolve();

  /** Use `model.session()`. */
  constructor(connection: Call, chat: Chat, options: SessionOptions, restored?: Restored) {
    refuseOthers("session", options);
    const { id, messages, ...rest } = reading("The options of session", () => ({ ...options }));
    this.id = readName(id);
    this.messages = messages === undefined || messages === null ? [] : listed(messages);
    this.restored = restored;
    this.#connection = connection;
    this.#chat = chat;
    this.#options = rest;
  }

  /**
   * Adds what a user says, or other messages, and the reply to them, once the turns before are over. Where there is no reply the
   * messages are as before; where `messages` was set meanwhile, that stays.
   */
  async chat(messages: string | readonly AnyMessage[], options?: ChatOptions): Promise<ChatReply> {
    const asked = listed(said(messages));
    // What is no object has no members to be refused with.
    refuseOthers("chat", kind(options) === "object" ? {} : options);
    const given = joined("An option of chat", this.#options, options);
    const { signal } = readOptions("save", { signal: given.signal }).page;
    const turn = this.#turn(asked, given, signal);
    this.#turns = Promise.all([this.#turns, turn.catch(() => {})]);
    return turn;
  }

  async #turn(asked: readonly AnyMessage[], options: ChatOptions, signal: PageOptions["signal"]): Promise<ChatReply> {
    // Where it is stopped before its turn the call says so, and adds nothing.
    const over = this.#turns.then(() => true);
    const inTurn = await this.#connection.waits(over, signal);
    const before = listed(this.messages);
    const set = this.messages;
    const reply = await this.#chat([...before, ...asked], options);
    if (inTurn && this.messages === set) this.messages = [...before, ...asked, reply.message];
    return reply;
  }

  /**
   * Keeps the messages in the browser's store, with what the model has computed of them, in the place of what was saved
   * under this name, once its own turns are over. Throws `storage` where the store is full or cannot be used.
   */
  async save(options?: Pick<PageOptions, "signal">): Promise<SavedSession> {
    const { signal } = readOptions("save", options).page;
    await this.#connection.waits(this.#turns, signal);
    if (Array.isArray(this.messages) && this.messages.length === 0)
      throw bad("The session's list of messages is empty", "it a turn before it is saved");
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
  options?: Pick<PageOptions, "signal">,
): Promise<Session | undefined> {
  const { signal } = readOptions("restore", options).page;
  const found = await connection.call("restoreSession", { id: readName(id) }, { signal, what: "The restoring" });
  return found ? new Session(connection, chat, ...optionsOf(found)) : undefined;
}

function optionsOf({ id, request, tokens, refused }: FoundSession): [SessionOptions, Restored] {
  const { messages, ...options } = request;
  const session = { ...options, id, messages: messages as AnyMessage[] };
  return [session as SessionOptions, { tokens, ...(refused && { refused }) }];
}

const listed = (messages: unknown) => readList(messages) as AnyMessage[];

function readName(id: unknown): string {
  const name = readText("the session's id", id);
  if (name === "" || name.length > LONGEST)
    throw bad(`The session's id has ${name.length} letters`, `one of 1 to ${LONGEST}`);
  return name;
}
