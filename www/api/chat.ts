/** Requests in OpenAI's shapes: the page's side of `model.chat`, `model.chat.completions` and `model.completions`. */
import { joined, openAI, readMessages, readOptions, refuseOthers } from "./arguments.js";
import type { Caller } from "./caller.js";
import { shaped } from "./openai-error.js";
import { isAborted, stoppedAnswer } from "./stopped.js";
import { bad, kind, reading, shown } from "../wire/check.js";
import { aborted } from "../wire/errors.js";
import type { ResponseFormat, SottoFormat } from "../wire/openai.js";
import type {
  AnyMessage,
  ChatCompletion,
  ChatCompletionChunk,
  ChatRequest,
  Completion,
  CompletionRequest,
  Counted,
  Loose,
  Message,
  ModelInfo,
  PageOptions,
  Step,
} from "../wire/protocol.js";

/** How often `overflow` may be asked for shorter messages. */
const MOST_ASKED = 8;

/** Options that are no part of a request. */
export interface ChatCallOptions extends Loose<Pick<PageOptions, "signal" | "onProgress" | "errors" | "onAbort">> {}

/** What a conversation takes that leaves no room for a reply. */
export interface Overfull extends Omit<Counted, "text"> {
  messages: Message[];
}

/** Gives messages that take less. */
export type OnOverflow = (full: Overfull) => readonly AnyMessage[] | Promise<readonly AnyMessage[]>;

/** A chat's request, as calls take it. */
export interface CreateChat extends Loose<Omit<ChatRequest, "messages" | "overflow" | "response_format">> {
  messages: readonly AnyMessage[];
  /** What the reply must be. */
  response_format?: ResponseFormat | SottoFormat | undefined;
  /** What to do with a conversation that leaves no room for a reply; a function gives shorter messages. */
  overflow?: ChatRequest["overflow"] | OnOverflow | undefined;
}

export type CreateCompletion = Loose<CompletionRequest>;

/** What `model.chat` takes beside the messages. */
export type ChatOptions = Omit<CreateChat, "messages" | "stream" | "stream_options" | "n"> & ChatCallOptions;

/** What `model.countTokens` takes beside the messages. */
export type CountOptions = Pick<CreateChat, "tools" | "tool_choice" | "reasoning_effort" | "chat_template_kwargs">;

/** What `model.prime` takes beside the messages. */
export interface PrimeOptions
  extends CountOptions,
    Pick<CreateChat, "adapter">,
    Pick<PageOptions, "signal" | "onProgress"> {}

type Choice = ChatCompletion["choices"][number];

/** What `model.chat` gives. */
export interface ChatReply extends Pick<Choice, "message" | "finish_reason" | "finish_details" | "logprobs"> {
  /** The message's text. */
  text: string;
  usage: NonNullable<ChatCompletion["usage"]>;
  /** The places of the messages that were left out (`overflow: "trim"`). */
  dropped?: number[];
}

/** A reply that may end with `abort`. */
export type StoppableReply = Omit<ChatReply, "finish_reason"> & { finish_reason: ChatReply["finish_reason"] | "abort" };

/** What a model reads. */
export interface ChatPrompt {
  /** With all that the template puts around the messages, and what is told of tools; control tokens are shown. */
  text: string;
  /** How many it has. */
  tokens: number;
}

/** An answer whose replies may end with `abort`. */
export type Stoppable<A extends { choices: { finish_reason: unknown }[] }> = Omit<A, "choices"> & {
  choices: (Omit<A["choices"][number], "finish_reason"> & {
    finish_reason: A["choices"][number]["finish_reason"] | "abort";
  })[];
};

type Keeps = ChatCallOptions & { onAbort: "result" };
type Streams = { stream: true };
type Whole = { stream?: false | null };

type Choices = { choices: { finish_reason: unknown }[] };

/** As in OpenAI's client. A stream that is left early stops the model. */
export interface Completions<Request, Answer extends Choices, Part extends Choices> {
  create(request: Request & Whole, options: Keeps): Promise<Stoppable<Answer>>;
  create(request: Request & Streams, options: Keeps): Promise<AsyncIterableIterator<Stoppable<Part>>>;
  create(request: Request & Whole, options?: ChatCallOptions): Promise<Answer>;
  create(request: Request & Streams, options?: ChatCallOptions): Promise<AsyncIterableIterator<Part>>;
  create(request: Request, options?: ChatCallOptions): Promise<Answer | AsyncIterableIterator<Part>>;
}

export interface Chat {
  /** The short way: one reply, to messages or to what a user says. */
  (messages: string | readonly AnyMessage[], options: ChatOptions & Keeps): Promise<StoppableReply>;
  (messages: string | readonly AnyMessage[], options?: ChatOptions): Promise<ChatReply>;
  /** The prompt that a chat would read: unlike `renderChat`'s text, with tools and calls told to templates that know none. */
  prompt(messages: string | readonly AnyMessage[], options?: CountOptions): Promise<ChatPrompt>;
  completions: Completions<CreateChat, ChatCompletion, ChatCompletionChunk>;
}

export type TextCompletions = Completions<CreateCompletion, Completion, Completion>;

type Answer = ChatCompletion | ChatCompletionChunk | Completion;
type Call = "chat.completions.create" | "completions.create";

/** A request made short: what it has in any case, and what checks the rest. */
interface Short {
  fixed: object;
  check(): void;
}

export class Requests {
  #connection: Pick<Caller, "call" | "stream" | "waits">;
  #info: ModelInfo;

  /** `info` is kept up to date. */
  constructor(connection: Pick<Caller, "call" | "stream" | "waits">, info: ModelInfo) {
    this.#connection = connection;
    this.#info = info;
  }

  chat(): Chat {
    const create = (request: unknown, options?: ChatCallOptions) =>
      this.#create("chat.completions.create", request, options);
    const reply = async (messages: string | readonly AnyMessage[], options?: ChatOptions): Promise<ChatReply> => {
      const short = {
        fixed: { messages: said(messages), stream: false, n: 1 },
        check: () => refuseOthers("chat", options),
      };
      const answer = await this.#create("chat.completions.create", {}, options, short);
      const { choices, usage, dropped } = answer as ChatCompletion;
      const { index: _, ...choice } = choices[0]!;
      return { text: choice.message.content ?? "", ...choice, usage: usage!, ...(dropped && { dropped }) };
    };
    const prompt = async (messages: string | readonly AnyMessage[], options?: CountOptions): Promise<ChatPrompt> => {
      const { text, tokens } = await this.count(messages, options);
      return { text, tokens };
    };
    return Object.assign(reply as Chat, { prompt, completions: { create } as Chat["completions"] });
  }

  completions(): TextCompletions {
    const create = (request: unknown, options?: ChatCallOptions) =>
      this.#create("completions.create", request, options);
    return { create } as TextCompletions;
  }

  async prime(messages: string | readonly AnyMessage[], options?: PrimeOptions): Promise<number> {
    refuseOthers("prime", options);
    const turns = typeof messages === "string" ? [{ role: "system", content: messages }] : messages;
    const given = joined("An option of prime", options, { messages: readMessages(turns) });
    const { wire, page } = readOptions("chat.completions.create", given);
    let tokens = 0;
    const onEvent = (event: Step) => {
      if ("chunk" in event) tokens = event.chunk.usage?.promptTokens ?? tokens;
      else page.onProgress?.(event.progress);
    };
    const call = { signal: page.signal, what: "The reading", onEvent };
    Object.assign(this.#info, await this.#connection.call("prime", { request: wire as ChatRequest }, call));
    return tokens;
  }

  async count(messages: string | readonly AnyMessage[], options?: CountOptions): Promise<Counted> {
    refuseOthers("countTokens", options);
    const given = joined("An option of countTokens", options, { messages: readMessages(said(messages)) });
    const { wire } = readOptions("chat.completions.create", given);
    return this.#connection.call("count", { request: wire as ChatRequest });
  }

  async #create(
    call: Call,
    request: unknown,
    options: ChatCallOptions = {},
    { fixed, check }: Short = { fixed: {}, check() {} },
  ): Promise<Answer | AsyncIterableIterator<Answer>> {
    let errors: unknown;
    let tools: unknown;
    const shape = (thrown: unknown) => shaped(thrown, errors, tools);
    try {
      errors = reading(`errors of ${call}`, () => options?.errors ?? Object(request).errors);
      check();
      if (kind(request) !== "object")
        throw bad(
          `The request of ${call} is ${shown(request)}`,
          call === "completions.create" ? "{prompt}" : "{messages}",
        );
      if (options !== null && kind(options) !== "object")
        throw bad(`The options of ${call} are ${shown(options)}`, "an object");
      const given = { ...joined(`An option of ${call}`, request, options), ...fixed } as Record<string, unknown>;
      const { overflow, ...rest } = given as unknown as CreateChat;
      const ask = typeof overflow === "function" ? overflow : undefined;
      const isList = kind(given.messages) === "Array";
      const read = isList ? reading("messages", () => openAI(given.messages as unknown[])) : undefined;
      const { wire, page } = readOptions(call, { ...(ask ? rest : given), ...(read && { messages: read.messages }) });
      tools = (wire as ChatRequest).tools;
      const answers = this.#answers(call, wire as ChatRequest, page, shape, { ask, places: read?.places });
      // The first part of a stream says that the request is taken; what is wrong with it is thrown here.
      if (wire.stream) return resumed(await answers.next(), answers);
      let last: Answer | undefined;
      for await (const answer of answers) last = answer;
      return last!;
    } catch (thrown) {
      throw shape(thrown);
    }
  }

  async *#answers(
    call: Call,
    request: ChatRequest,
    { signal, onProgress, onAbort }: ChatCallOptions,
    shape: (thrown: unknown) => unknown,
    { ask, places = [] }: { ask: OnOverflow | undefined; places: readonly number[] | undefined },
  ): AsyncGenerator<Answer, void, undefined> {
    const method = call === "completions.create" ? "completion" : "chat";
    const keeps = onAbort === "result";
    let begun = false;
    try {
      if (ask) await this.#shorten(request, ask, signal);
      const ends = keeps ? { stop: signal } : { signal };
      const events = this.#connection.stream(method, { request }, { what: "The reply", ...ends });
      try {
        for (;;) {
          const { done, value } = await events.next();
          if (done) return void Object.assign(this.#info, value);
          if ("progress" in value) await this.#connection.waits(onProgress?.(value.progress), signal);
          else {
            begun = true;
            yield placed(Object.values(value)[0] as Answer, places);
          }
        }
      } finally {
        await events.return(this.#info);
      }
    } catch (thrown) {
      if (!(keeps && !begun && isAborted(thrown))) throw shape(thrown);
      yield stoppedAnswer(call, request, this.#info.name);
    }
  }

  /** Asks for shorter messages until a reply finds room; if it never does, the engine says what it has to say. */
  async #shorten(request: ChatRequest, ask: OnOverflow, signal: AbortSignal | undefined): Promise<void> {
    const what = "The reply";
    for (let asked = 0; asked < MOST_ASKED; asked++) {
      const { tokens, room, contextLength } = await this.#connection.call("count", { request }, { signal, what });
      if (tokens + room <= contextLength) return;
      const told = ask({ tokens, room, contextLength, messages: request.messages });
      const given: unknown = await this.#connection.waits(told, signal);
      if (signal?.aborted) throw aborted(what, signal);
      if (kind(given) !== "Array") throw bad(`overflow gave ${shown(given)}`, "a list of messages that take less");
      request.messages = readMessages(given) as ChatRequest["messages"];
    }
  }
}

/** The answer, in which messages that were left out are those of the caller: one of his may be several to the engine. */
function placed(answer: Answer, places: readonly number[]): Answer {
  if (!("dropped" in answer) || !answer.dropped) return answer;
  return { ...answer, dropped: [...new Set(answer.dropped.map((place) => places[place] ?? place))] };
}

/** Messages, or the one message that a text is. */
export function said(messages: string | readonly AnyMessage[]): readonly AnyMessage[] {
  return typeof messages === "string" ? [{ role: "user", content: messages }] : messages;
}

/** The rest of a stream, with the part that was read of it. */
function resumed<T>(read: IteratorResult<T, void>, rest: AsyncGenerator<T, void, undefined>): AsyncIterableIterator<T> {
  let first: IteratorResult<T, void> | undefined = read;
  return {
    next: async () => {
      const next = first ?? rest.next();
      first = undefined;
      return next;
    },
    return: async () => {
      first = undefined;
      return rest.return();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
