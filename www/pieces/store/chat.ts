/** A conversation with a model: what was said, and the reply while it is written. */
import {
  type AnyTool,
  type ChatCompletionChunk,
  type ChatToolCall,
  type CompletionUsage,
  type CreateChat,
  type Model,
  type RunTools,
  SottoError,
} from "sotto";
import { Gathered } from "../../api/gather.js";
import { type Held, modelOf } from "../shared/held.js";
import { Cell } from "./cell.js";

/** A message in OpenAI's shape, with a name of its own. */
export interface Entry {
  id: string;
  role: "system" | "user" | "assistant" | "tool";
  content: string;
  /** What the model thought before. */
  reasoning_content?: string;
  tool_calls?: ChatToolCall[];
  /** Of a tool's result: which call gave it. */
  tool_call_id?: string;
  /** Of a reply that is over: `stop`, `length`, `tool_calls`, `abort`. */
  finish_reason?: string;
}

/** A message as it is given. */
export type NewEntry = Omit<Entry, "id"> & { id?: string };

export interface ChatSettings {
  /** The model, what it loads by, or `undefined` while there is none. */
  model: Held | undefined;
  /** The conversation so far. Read once. */
  messages?: readonly NewEntry[];
  /** What stands before every conversation. */
  system?: string;
  /** Functions that the model may call. */
  tools?: readonly AnyTool[];
  /** Other members of the requests, such as `temperature` and `overflow`. */
  request?: Omit<RunTools, "messages" | "tools">;
  /** Called with each reply that is over. */
  onFinish?: (reply: Entry) => void;
}

export interface ChatState {
  messages: readonly Entry[];
  /** `submitted`: asked, and nothing written yet. */
  status: "ready" | "submitted" | "streaming" | "error";
  /** What the last reply failed with. */
  error: unknown;
  /** What the last reply took. */
  usage: CompletionUsage | undefined;
}

export class ChatStore extends Cell<ChatState> {
  /** May be replaced at any time; the next reply reads it. */
  settings: ChatSettings;
  #count = 0;
  #stop: AbortController | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(settings: ChatSettings) {
    super({ messages: [], status: "ready", error: undefined, usage: undefined });
    this.settings = settings;
    this.set({ messages: this.#named(settings.messages ?? []) });
  }

  /**
   * Adds what the user says, and waits for the reply. One that is being written is stopped. Never rejects: see `error`. What
   * has no letters is no message, and changes nothing.
   */
  readonly send = (message: string | NewEntry): Promise<void> => {
    const entry: NewEntry = typeof message === "string" ? { role: "user", content: message } : message;
    if (entry?.role === "user" && isBlank(entry.content)) return Promise.resolve();
    return this.#ask((messages) => [...messages, ...this.#named([entry])]);
  };

  /** Stops the reply; what there is of it stays. */
  readonly stop = (): Promise<void> => {
    this.#stop?.abort();
    return this.#running;
  };

  /** Asks for the last reply again. */
  readonly regenerate = (): Promise<void> =>
    this.#ask((messages) => messages.slice(0, messages.findLastIndex(({ role }) => role === "user") + 1));

  /** Puts another text in the place of what the user said, and asks again; what followed it is dropped. */
  readonly edit = (id: string, content: string): Promise<void> => {
    const at = this.get().messages.findIndex((message) => message.id === id);
    if (at < 0 || isBlank(content)) return Promise.resolve();
    return this.#ask((messages) =>
      messages.slice(0, at + 1).map((message, i) => (i < at ? message : { ...message, content })),
    );
  };

  /** Another conversation; without messages a new one. */
  readonly restart = async (messages: readonly NewEntry[] = []): Promise<void> => {
    await this.stop();
    this.set({ messages: this.#named(messages), status: "ready", error: undefined, usage: undefined });
  };

  protected override end(): void {
    void this.stop();
  }

  /** Throws for what is no message. */
  #named(messages: readonly NewEntry[]): Entry[] {
    if (!messages.every((message) => message?.role)) throw new SottoError("bad_option", "A message has no role.");
    return messages.map((message) => ({ ...message, id: message.id ?? this.#newId(messages) }));
  }

  /** One that none of the conversation has, nor of those that come into it: saved messages bring theirs. */
  #newId(coming: readonly NewEntry[] = []): string {
    for (;;) {
      const next = `m${this.#count++}`;
      if (![...this.get().messages, ...coming].some(({ id }) => id === next)) return next;
    }
  }

  async #ask(change: (messages: readonly Entry[]) => Entry[]): Promise<void> {
    const before = this.stop();
    const stop = new AbortController();
    this.#stop = stop;
    const run = async () => {
      await before;
      try {
        const messages = change(this.get().messages);
        this.set({ messages, status: "submitted", error: undefined });
        if (messages.length > 0) await this.#reply(messages, stop.signal);
        this.set({ status: "ready" });
      } catch (error) {
        this.set(stop.signal.aborted ? { status: "ready" } : { status: "error", error });
      }
    };
    this.#running = run();
    return this.#running;
  }

  async #reply(messages: readonly Entry[], signal: AbortSignal): Promise<void> {
    const { model: held, system, tools, request, onFinish } = this.settings;
    if (held === undefined) throw new Error("There is no model to answer yet.");
    const model = await modelOf(held, signal);
    const asked = [...(system ? [{ role: "system", content: system }] : []), ...messages.map(bare)] as Said;
    const written = tools?.length
      ? await this.#withTools(model, { ...request, messages: asked, tools }, signal)
      : await this.#plain(model, { ...request, messages: asked }, signal);
    const last = this.get().messages.at(-1);
    if (last?.role !== "assistant") return;
    const done = { ...last, finish_reason: written };
    this.#put(done);
    onFinish?.(done);
  }

  async #plain(model: Model, call: CreateChat, signal: AbortSignal): Promise<string> {
    const add = this.#writer();
    const chunks = await model.chat.completions.create(
      { ...call, stream: true, stream_options: { include_usage: true } },
      { signal, onAbort: "result" },
    );
    let gathered: Gathered | undefined;
    for await (const chunk of chunks) gathered = add(chunk as ChatCompletionChunk);
    this.set({ usage: gathered?.usage });
    return gathered?.finish_reason ?? "abort";
  }

  async #withTools(model: Model, call: RunTools, signal: AbortSignal): Promise<string> {
    let add = this.#writer();
    const { finish_reason, usage } = await model.runTools(call, {
      signal,
      onAbort: "result",
      onDelta: (delta) => void add({ choices: [{ index: 0, delta, finish_reason: null }] } as never),
      onMessage: (message) => {
        if (message.role === "tool") this.#put(...this.#named([message as NewEntry]));
        else add = this.#writer();
      },
    });
    this.set({ usage });
    return finish_reason;
  }

  /** Writes one reply into the conversation as its chunks come. */
  #writer(): (chunk: ChatCompletionChunk) => Gathered {
    const gathered = new Gathered();
    let id: string | undefined;
    return (chunk) => {
      gathered.add(chunk);
      const { content, reasoning_content, tool_calls } = gathered.message;
      if (!content && !reasoning_content && !tool_calls) return gathered;
      id ??= this.#newId();
      this.#put({
        id,
        role: "assistant",
        content: content ?? "",
        ...(reasoning_content && { reasoning_content }),
        ...(tool_calls && { tool_calls: structuredClone(tool_calls) }),
      });
      return gathered;
    };
  }

  /** Adds messages, or puts them in the place of those with their ids. */
  #put(...entries: Entry[]): void {
    const ids = entries.map(({ id }) => id);
    const { messages } = this.get();
    const at = messages.findIndex(({ id }) => ids.includes(id));
    const kept = at < 0 ? messages : messages.slice(0, at);
    this.set({ messages: [...kept, ...entries], status: "streaming" });
  }
}

/** What is not text, such as a list of parts, is not blank. */
const isBlank = (content: unknown) => typeof content === "string" && !content.trim();

type Said = CreateChat["messages"];

/** A message as models are told it. */
function bare({ id: _, finish_reason: __, ...message }: Entry): object {
  return message;
}
