/** One conversation: what `LanguageModel.create` gives. */
import { type CreateChat, type Model, type RunnableTool, SottoError } from "sotto";
import { orAborted } from "../shared/signal.js";
import { platform, tooLong } from "./errors.js";
import { dictionary, type Prompt, read, type Said } from "./messages.js";
import type { Sampling, Tool } from "./options.js";

export interface PromptOptions {
  /** A JSON Schema that the reply fits, or a `RegExp` that all of it matches. */
  responseConstraint?: object;
  /** The model is not told of the constraint in words. */
  omitResponseConstraintInput?: boolean;
  signal?: AbortSignal;
}

/** What a session has from the beginning. */
export interface Session extends Sampling {
  model: Model;
  history: Said[];
  tools: readonly Tool[];
  usage: number;
}

type Handler = ((event: Event) => unknown) | null;

/** Tells this room's constructor calls from a page's. */
export const OURS = Symbol();

export class LanguageModelSession extends EventTarget {
  #state: Session;
  #destroyed = new AbortController();
  /** Prompts of a session run one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  /** The conversation had to be shortened: its oldest turns are gone. */
  oncontextoverflow: Handler = null;
  /** The earlier name. */
  onquotaoverflow: Handler = null;

  /** `signal` ends it. */
  constructor(token: symbol, state: Session, signal?: AbortSignal) {
    if (token !== OURS) throw new TypeError("Illegal constructor; use LanguageModel.create().");
    super();
    this.#state = state;
    const ended = { once: true, signal: this.#destroyed.signal };
    signal?.addEventListener("abort", () => this.#destroyed.abort(signal.reason), ended);
  }

  /** Tokens of the conversation. */
  get contextUsage(): number {
    return this.#state.usage;
  }
  get contextWindow(): number {
    return this.#state.model.info.contextLength;
  }
  get inputUsage(): number {
    return this.contextUsage;
  }
  get inputQuota(): number {
    return this.contextWindow;
  }
  get topK(): number {
    return this.#state.request.top_k ?? this.#state.model.info.sampling.topK;
  }
  get temperature(): number {
    return this.#state.request.temperature ?? this.#state.model.info.sampling.temperature;
  }

  get samplingMode(): Sampling["mode"] {
    return this.#state.mode;
  }

  async prompt(input: Prompt, given?: PromptOptions): Promise<string> {
    const options = dictionary(given, "options");
    let text = "";
    await this.#next(options.signal, (signal) =>
      this.#reply(input, options, signal, (more) => {
        text += more;
      }),
    );
    return text;
  }

  promptStreaming(input: Prompt, given?: PromptOptions): ReadableStream<string> {
    const options = dictionary(given, "options");
    options.signal?.throwIfAborted();
    this.#destroyed.signal.throwIfAborted();
    const left = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, left.signal]) : left.signal;
    return new ReadableStream<string>({
      start: (controller) => {
        this.#next(signal, (signal) => this.#reply(input, options, signal, (text) => controller.enqueue(text))).then(
          () => controller.close(),
          (error) => controller.error(error),
        );
      },
      cancel: () => left.abort(),
    });
  }

  /** Adds messages without asking for a reply. */
  async append(input: Prompt, options?: { signal?: AbortSignal }): Promise<undefined> {
    const { signal } = dictionary(options, "options");
    await this.#next(signal, async () => {
      const { messages } = this.#read(input);
      const history = [...this.#state.history, ...messages];
      const usage = await this.#count(history);
      if (usage > this.contextWindow) throw tooLong(usage, this.contextWindow);
      Object.assign(this.#state, { history, usage });
    });
    return undefined;
  }

  /** Tokens that a prompt would add. */
  async measureContextUsage(input: Prompt, given?: PromptOptions): Promise<number> {
    const options = dictionary(given, "options");
    return this.#next(options.signal, async () => {
      const messages = guided(read(input, false).messages, options);
      const { history } = this.#state;
      // A system's message stands behind no others.
      if (history.length === 0 || messages[0]?.role === "system") return this.#count(messages);
      return Math.max(0, (await this.#count([...history, ...messages])) - (await this.#count(history)));
    });
  }

  measureInputUsage(input: Prompt, options?: PromptOptions): Promise<number> {
    return this.measureContextUsage(input, options);
  }

  /** A conversation that goes on from here by itself. */
  async clone(options?: { signal?: AbortSignal }): Promise<this> {
    const { signal } = dictionary(options, "options");
    return this.#next(signal, async () => {
      const Own = this.constructor as new (token: symbol, state: Session) => this;
      return new Own(OURS, { ...this.#state });
    });
  }

  /** Ends it: what is under way and what comes later is aborted. The model stays for others. */
  destroy(): undefined {
    this.#destroyed.abort();
  }

  #read(input: Prompt) {
    return read(input, this.#state.history.length > 0);
  }

  /** Runs `work` when what was asked before is done. */
  #next<T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const ends = signal ? AbortSignal.any([signal, this.#destroyed.signal]) : this.#destroyed.signal;
    const run = async () => {
      ends.throwIfAborted();
      try {
        return await work(ends);
      } catch (thrown) {
        ends.throwIfAborted();
        throw platform(thrown);
      }
    };
    const result = this.#last.then(run, run);
    this.#last = result;
    return orAborted(result, ends);
  }

  #count(messages: readonly Said[]): Promise<number> {
    const { model, tools } = this.#state;
    return model.countTokens(messages, { tools: tools.map((tool) => ({ type: "function", function: told(tool) })) });
  }

  async #reply(
    input: Prompt,
    options: PromptOptions,
    signal: AbortSignal,
    onText: (text: string) => void,
  ): Promise<void> {
    const { messages: said, prefix } = this.#read(input);
    const { model, tools, request } = this.#state;
    const kept = [...this.#state.history, ...said];
    const response_format = formatOf(options.responseConstraint, prefix);
    const asked: CreateChat = {
      ...request,
      messages: [...this.#state.history, ...guided(said, options)],
      overflow: "trim",
      ...(response_format && { response_format }),
    };
    if (prefix !== undefined && tools.length > 0)
      throw new DOMException("A prefix does not go with tools.", "NotSupportedError");
    if (prefix !== undefined && !response_format) {
      const text = await this.#continued(kept, prefix, signal, onText);
      return this.#keep(kept, [{ role: "assistant", content: prefix + text }], []);
    }
    try {
      if (tools.length > 0) {
        const { messages, steps } = await model.runTools({ ...asked, tools: tools.map(runnable) } as never, {
          signal,
          onDelta: ({ content }) => void (content && onText(content)),
        });
        return await this.#keep(kept, messages as Said[], steps[0]?.dropped ?? []);
      }
      let text = "";
      // What was given to begin with is no part of what comes back.
      let given = prefix?.length ?? 0;
      let dropped: number[] = [];
      for await (const chunk of await model.chat.completions.create({ ...asked, stream: true }, { signal })) {
        const more = chunk.choices[0]?.delta.content ?? "";
        dropped = chunk.dropped ?? dropped;
        text += more;
        const own = more.slice(given);
        given = Math.max(0, given - more.length);
        if (own !== "") onText(own);
      }
      await this.#keep(kept, [{ role: "assistant", content: text }], dropped);
    } catch (thrown) {
      if (thrown instanceof SottoError && thrown.code === "prompt_too_long")
        throw tooLong(await this.#count(kept), this.contextWindow);
      throw thrown;
    }
  }

  /** The reply to a prompt that says how it begins: the template's text, and the beginning after it. */
  async #continued(
    messages: readonly Said[],
    prefix: string,
    signal: AbortSignal,
    onText: (text: string) => void,
  ): Promise<string> {
    const { model, request } = this.#state;
    const prompt = await model.renderChat(messages, { addGenerationPrompt: true });
    let whole = "";
    const { temperature = undefined, top_k: topK } = request;
    for await (const { text } of model.generate(prompt + prefix, {
      raw: true,
      signal,
      temperature: temperature ?? undefined,
      topK,
    })) {
      whole += text;
      if (text !== "") onText(text);
    }
    return whole;
  }

  async #keep(asked: readonly Said[], replies: readonly Said[], dropped: readonly number[]): Promise<void> {
    const history = [...asked.filter((_, at) => !dropped.includes(at)), ...replies];
    Object.assign(this.#state, { history, usage: await this.#count(history) });
    if (dropped.length === 0) return;
    for (const type of ["contextoverflow", "quotaoverflow"] as const) {
      const event = new Event(type);
      // As the platform does with handlers: only functions are called, and what they throw is the page's, not the prompt's.
      const handler = this[`on${type}`];
      if (typeof handler === "function")
        try {
          handler.call(this, event);
        } catch (thrown) {
          reportError(thrown);
        }
      this.dispatchEvent(event);
    }
  }
}

const told = ({ name, description, inputSchema }: Tool) => ({
  name,
  description,
  parameters: inputSchema as Record<string, unknown>,
});

const runnable = (tool: Tool): RunnableTool => ({ ...told(tool), run: (args: object) => tool.execute(args) });

/** `prefix`: what the reply begins with, before that which fits the constraint. */
function formatOf(constraint: object | undefined, prefix = ""): CreateChat["response_format"] {
  if (constraint === undefined) return undefined;
  if (!isRegExp(constraint)) {
    const schema = jsonOf(constraint);
    if (prefix === "") return { type: "json_schema", json_schema: { name: "answer", schema: JSON.parse(schema) } };
    return { type: "grammar", syntax: "lark", grammar: `start: ${JSON.stringify(prefix)} rest\nrest: %json ${schema}` };
  }
  if (!KEPT.test(constraint.flags))
    throw new DOMException(`The flags "${constraint.flags}" of the expression are not kept.`, "NotSupportedError");
  const begin = prefix.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  return { type: "regex", pattern: begin ? `${begin}(${constraint.source})` : constraint.source };
}

function jsonOf(constraint: object): string {
  try {
    const text = JSON.stringify(constraint);
    if (text !== undefined) return text;
  } catch {
    // As what is no JSON is.
  }
  throw new DOMException("The constraint is no JSON Schema: it cannot be written as JSON.", "NotSupportedError");
}

/** Flags that change nothing here: the whole reply is matched, by the rules of `u`. */
const KEPT = /^(d|g|u|v)*$/;

/** Of another window, too. */
const isRegExp = (value: object): value is RegExp => Object.prototype.toString.call(value) === "[object RegExp]";

/** The messages, the last of which tells the schema that the reply has to fit; a session does not keep that. */
function guided(messages: readonly Said[], { responseConstraint, omitResponseConstraintInput }: PromptOptions): Said[] {
  if (omitResponseConstraintInput && responseConstraint === undefined)
    throw new TypeError("omitResponseConstraintInput goes with a responseConstraint.");
  const last = messages.at(-1);
  const isTold = responseConstraint && !omitResponseConstraintInput && !isRegExp(responseConstraint);
  if (!last || !isTold) return [...messages];
  const content = `${last.content}\n\nAnswer in JSON of this schema: ${jsonOf(responseConstraint)}`;
  return [...messages.slice(0, -1), { ...last, content }];
}
