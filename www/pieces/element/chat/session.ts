/** A conversation with a model: what is asked, what comes back, and what can be done with it. It knows no page. */
import type {
  AnyMessage,
  AnyTool,
  ChatCompletionChunk,
  CreateCompletion,
  Model,
  NewMessage,
  Progress,
  RunTools,
  TokenLogprob,
} from "sotto";
import { pause } from "../../shared/pause.js";
import { orAborted } from "../../shared/signal.js";
import { type AssistantTurn, type Attachment, type Call, messagesOf, type Turn, type UserTurn } from "./turns.js";

/** What a conversation needs of a model: any `Model`, or what behaves like one. */
export type ChatModel = Pick<Model, "chat" | "info"> &
  Partial<Pick<Model, "runTools" | "completions" | "countTokens" | "dispose" | "session" | "restore">>;

/** Members of a request that the page sets: `temperature`, `reasoning_effort` and so on. */
export type Params = Omit<RunTools, "messages" | "tools">;

export interface Settings {
  system: string;
  tools: readonly AnyTool[];
  params: Params;
  /** What the model is asked to go on with a reply. */
  goOn: string;
}

/** What happens, in the order in which it does. */
export interface Listener {
  added(turn: Turn): void;
  removed(turns: readonly Turn[]): void;
  /** The reply has begun, or goes on. */
  begun(turn: AssistantTurn): void;
  /** So many tokens of what it answers are read. */
  read(turn: AssistantTurn, loaded: number, total: number | undefined): void;
  /** A part of it as the model gives it; of one that calls functions there are none. */
  part(turn: AssistantTurn, part: Part): void;
  text(turn: AssistantTurn, more: string): void;
  thought(turn: AssistantTurn, more: string): void;
  called(turn: AssistantTurn, call: Call): void;
  /** The model no longer sees these, from now on. */
  forgotten(turns: readonly Turn[]): void;
  ended(turn: AssistantTurn, error?: unknown): void;
}

/** One message to the model, and the turn that it belongs to. */
interface Said {
  message: AnyMessage;
  turn?: Turn;
}

/** Parts that are still heard of a reply that was stopped: its end is among them, unless it has not heard of that. */
const LATE = 8;

export class Session {
  turns: Turn[] = [];
  /** What the model is not shown any more: there was no room. */
  readonly forgotten = new Set<Turn>();
  #listener: Listener;
  #settings: () => Settings;
  #running: AbortController | undefined;
  /** When the reply was asked for. */
  #started = 0;
  /** Milliseconds that the model would take to read the conversation, by what it took to read what was new. */
  readingMs = 0;

  constructor(listener: Listener, settings: () => Settings) {
    this.#listener = listener;
    this.#settings = settings;
  }

  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** What someone has asked is no greeting of the page's. */
  get isAsked(): boolean {
    return this.turns.some(({ role }) => role === "user");
  }

  stop(): void {
    this.#running?.abort();
  }

  /** Replaces all that was said. */
  set(turns: readonly Turn[]): void {
    this.stop();
    this.#running = undefined;
    this.#listener.removed(this.turns);
    this.forgotten.clear();
    this.turns = [...turns];
    for (const turn of this.turns) this.#listener.added(turn);
  }

  send(model: ChatModel, text: string, files: readonly Attachment[] = []): Promise<void> {
    const turn: UserTurn = { role: "user", text, ...(files.length > 0 && { files: [...files] }) };
    this.#add(turn);
    return this.#reply(model);
  }

  /** The message said otherwise; what came after it goes. */
  edit(model: ChatModel, turn: UserTurn, text: string, files: readonly Attachment[] = []): Promise<void> {
    this.#removeFrom(turn);
    return this.send(model, text, files);
  }

  /** Another reply in the place of this one; `alone`: without what was said before the message that it answers. */
  regenerate(model: ChatModel, turn: AssistantTurn, alone = false): Promise<void> {
    this.#removeFrom(turn);
    if (alone) this.#forget(this.older());
    return this.#reply(model);
  }

  /** The last reply goes on where it ended. */
  continue(model: ChatModel, turn: AssistantTurn): Promise<void> {
    return this.#reply(model, turn);
  }

  /** What the model sees of before the last message. */
  older(): Turn[] {
    const asked = this.turns.findLastIndex(({ role }) => role === "user");
    return this.turns.slice(0, Math.max(0, asked)).filter((turn) => !this.forgotten.has(turn));
  }

  #forget(turns: readonly Turn[]): void {
    const news = turns.filter((turn) => !this.forgotten.has(turn));
    for (const turn of news) this.forgotten.add(turn);
    if (news.length > 0) this.#listener.forgotten(news);
  }

  #add(turn: Turn): void {
    this.turns.push(turn);
    this.#listener.added(turn);
  }

  /** Takes back a message and what came after it. */
  drop(turn: Turn): void {
    this.#removeFrom(turn);
  }

  #removeFrom(turn: Turn): void {
    const at = this.turns.indexOf(turn);
    if (at >= 0) this.#listener.removed(this.turns.splice(at));
  }

  async #reply(model: ChatModel, before?: AssistantTurn): Promise<void> {
    if (this.#running) return;
    const running = new AbortController();
    this.#running = running;
    const turn: AssistantTurn = before ?? { role: "assistant", text: "" };
    const said = this.#said(before);
    if (!before) this.#add(turn);
    delete turn.end;
    delete turn.error;
    delete turn.took;
    this.#started = performance.now();
    this.#listener.begun(turn);
    let error: unknown;
    try {
      turn.end = await orAborted(this.#ask(model, said, turn, running.signal), late(running.signal));
    } catch (thrown) {
      turn.end = running.signal.aborted ? "stopped" : "failed";
      if (turn.end === "failed") {
        error = thrown;
        turn.error = thrown instanceof Error ? thrown.message : String(thrown);
      }
    } finally {
      if (this.#running === running) this.#running = undefined;
    }
    this.#listener.ended(turn, error);
  }

  /** What the model is shown of the conversation. */
  messages(): AnyMessage[] {
    return this.#said(undefined).map(({ message }) => message);
  }

  #said(before: AssistantTurn | undefined): Said[] {
    const { system, goOn } = this.#settings();
    const first: Said[] = system ? [{ message: { role: "system", content: system } }] : [];
    const seen = this.turns.filter((turn) => !this.forgotten.has(turn));
    const turns = seen.flatMap((turn) => messagesOf(turn).map((message) => ({ message, turn })));
    return [...first, ...turns, ...(before ? [{ message: { role: "user", content: goOn } }] : [])];
  }

  async #ask(model: ChatModel, said: readonly Said[], turn: AssistantTurn, signal: AbortSignal) {
    const { tools, params } = this.#settings();
    const request = { overflow: "trim" as const, ...params, messages: said.map(({ message }) => message) };
    const onProgress = ({ loaded, total }: Progress) => this.#listener.read(turn, loaded, total);
    const options = { signal, onAbort: "result" as const, onProgress };
    const told = (dropped: readonly number[] = []) => this.#forget(dropped.flatMap((place) => said[place]?.turn ?? []));
    if (tools.length > 0 && model.runTools)
      return this.#askWithTools(model.runTools.bind(model), request, turn, told, options);
    const streamed = { stream: true, stream_options: { include_usage: true } } as const;
    // A base model has no chat template: it goes on writing the text.
    const stream: AsyncIterable<Part> =
      model.info.chatTemplate || !model.completions
        ? await model.chat.completions.create({ ...request, ...streamed }, options)
        : await model.completions.create({ ...ofTexts(params), prompt: lastText(said), ...streamed }, options);
    let end: AssistantTurn["end"] = "whole";
    let heard = 0;
    for await (const part of stream) {
      await pause();
      if (turn.end || (signal.aborted && ++heard > LATE)) break;
      this.#listener.part(turn, part);
      told(part.dropped);
      this.#count(turn, part.usage);
      const [choice] = part.choices;
      if (!choice) continue;
      this.#grow(turn, choice.delta ?? { content: choice.text ?? null });
      if (choice.finish_reason) end = endOf(choice.finish_reason, choice.finish_details?.type);
    }
    return signal.aborted ? "stopped" : end;
  }

  async #askWithTools(
    runTools: Model["runTools"],
    request: Omit<RunTools, "tools">,
    turn: AssistantTurn,
    told: (dropped: readonly number[] | undefined) => void,
    options: { signal: AbortSignal; onAbort: "result"; onProgress: (progress: Progress) => void },
  ) {
    const messages: NewMessage[] =
      turn.messages ?? ((turn.text ? [{ role: "assistant", content: turn.text }] : []) as NewMessage[]);
    const onMessage = (message: NewMessage) => {
      if (turn.end) return;
      messages.push(message);
      if (message.role === "tool") {
        const call = turn.calls?.find(({ id }) => id === message.tool_call_id);
        if (!call) return;
        call.result = typeof message.content === "string" ? message.content : JSON.stringify(message.content);
        this.#listener.called(turn, call);
        return;
      }
      // What the model says before a call and after it are paragraphs.
      if (message.content && message.tool_calls) this.#grow(turn, { content: "\n\n" });
      for (const asked of message.tool_calls ?? []) {
        const [name, text] =
          asked.type === "function"
            ? [asked.function.name, asked.function.arguments]
            : [asked.custom.name, asked.custom.input];
        const call: Call = { id: asked.id, name, arguments: text };
        turn.calls = [...(turn.calls ?? []), call];
        this.#listener.called(turn, call);
      }
    };
    const onDelta = (delta: Delta) => {
      this.#grow(turn, delta);
      return pause();
    };
    const reply = await runTools({ ...request, tools: this.#settings().tools }, { ...options, onMessage, onDelta });
    this.#count(turn, reply.usage);
    if (turn.calls) turn.messages = messages;
    for (const { dropped } of reply.steps) told(dropped);
    return options.signal.aborted ? "stopped" : endOf(reply.finish_reason, reply.finish_details?.type);
  }

  /** How many tokens there were, in the place of how many pieces. */
  #count(turn: AssistantTurn, usage: Usage | null | undefined): void {
    if (!turn.took || !usage) return;
    const { completion_tokens, prompt_tokens = 0, prompt_tokens_details } = usage;
    turn.took.tokens = completion_tokens;
    const news = prompt_tokens - (prompt_tokens_details?.cached_tokens ?? 0);
    this.readingMs = (turn.took.first * prompt_tokens) / Math.max(1, news);
  }

  #grow(turn: AssistantTurn, { content, reasoning_content }: Delta): void {
    if (turn.end) return;
    if (content || reasoning_content) {
      const last = performance.now() - this.#started;
      const { tokens = 0, first = last } = turn.took ?? {};
      turn.took = { tokens: tokens + 1, first, last };
    }
    if (reasoning_content) {
      turn.thoughts = (turn.thoughts ?? "") + reasoning_content;
      this.#listener.thought(turn, reasoning_content);
    }
    if (content) {
      turn.text += content;
      this.#listener.text(turn, content);
    }
  }
}

/** A model ends by itself what is stopped, and says what it took; one that does not is left. Milliseconds. */
const PATIENCE = 1000;

function late(signal: AbortSignal): AbortSignal {
  const left = new AbortController();
  signal.addEventListener("abort", () => setTimeout(() => left.abort(), PATIENCE));
  return left.signal;
}

type Delta = { content?: string | null | undefined; reasoning_content?: string | null | undefined };

/** A part of a chat's reply or of a text's. */
export interface Part {
  choices: readonly {
    delta?: Delta;
    text?: string;
    finish_reason: ChatCompletionChunk["choices"][number]["finish_reason"] | "abort";
    finish_details?: { type: string } | undefined;
    /** Of a chat, where `logprobs` asks for them. */
    logprobs?: { content?: readonly TokenLogprob[] | null; tokens?: readonly string[] } | null | undefined;
  }[];
  dropped?: readonly number[];
  usage?: Usage | null;
}

interface Usage {
  completion_tokens: number;
  prompt_tokens?: number;
  prompt_tokens_details?: { cached_tokens?: number } | undefined;
}

/** Of a chat's request, what a text's has too. */
function ofTexts({ max_completion_tokens, max_tokens = max_completion_tokens, ...params }: Params) {
  const taken = OF_TEXTS.flatMap((name) => (params[name] === undefined ? [] : [[name, params[name]]]));
  return { ...Object.fromEntries(taken), ...(max_tokens && { max_tokens }) } as Pick<CreateCompletion, "max_tokens">;
}

const OF_TEXTS = ["temperature", "top_p", "top_k", "min_p", "seed", "stop", "repeat_penalty"] as const;

function endOf(reason: string, limit: string | undefined): AssistantTurn["end"] {
  if (reason === "abort") return "stopped";
  if (limit === "max_steps") return "cut";
  if (reason !== "length") return "whole";
  return limit === "context_full" ? "full" : "cut";
}

function lastText(said: readonly Said[]): string {
  const content = (said.at(-1)?.message as { content?: unknown } | undefined)?.content;
  return typeof content === "string" ? content : "";
}
