/** A loaded model, as a page holds it. */
import { Adapters } from "./adapters.js";
import { readOptions, readPrompt, readText } from "./arguments.js";
import { type BatchOptions, type BatchRequest, type BatchResult, batch } from "./batch.js";
import {
  type Chat,
  type CountOptions,
  type CreateChat,
  type PrimeOptions,
  Requests,
  type TextCompletions,
} from "./chat.js";
import type { Caller } from "./caller.js";
import { Connection } from "./connection.js";
import {
  type Classified,
  Embedder,
  type EmbedOptions,
  type Embeddings,
  type FillOptions,
  type Ranked,
  readTexts,
  type ScoringOptions,
} from "./embed.js";
import { Loaded } from "./loaded.js";
import { type Change, Recovering } from "./recovering.js";
import type { Loading } from "./service.js";
import { restore, Session, type SessionOptions } from "./session.js";
import { Shared, canShare, nameOf } from "./shared.js";
import { canReread, transferred } from "./source.js";
import { isAborted, stoppedPiece } from "./stopped.js";
import { type RunTools, type RunToolsOptions, type ToolsReply, runTools } from "./tools.js";
import { workersOf } from "./start.js";
import type { Endpoint } from "./workers.js";
import { readEvery, watch } from "./watch.js";
import { SottoError } from "../wire/errors.js";
import type {
  AnyMessage,
  BenchOptions,
  BenchResult,
  Calls,
  Chunk,
  Filled,
  GenerateOptions,
  ModelInfo,
  ModelStats,
  PageOptions,
  ScoreOptions,
  ScoreResult,
  SourceData,
} from "../wire/protocol.js";

/** What a load takes that stays in the page, or goes beside its options. */
type Place = Omit<PageOptions, "draft"> & { draft?: SourceData };

/** Begins to load a model through workers that `start` starts. */
function begin(
  start: () => Endpoint,
  source: SourceData,
  options: Calls["load"]["args"]["options"],
  { signal, control, workerUrl, wasmUrl, grammarUrl, draft }: Place,
  onEvent: (event: Calls["load"]["event"]) => void,
): Loading {
  const connection = new Connection(workersOf(start, workerUrl), wasmUrl?.toString(), grammarUrl?.toString());
  const gate = control?.connect();
  const args = { source, options, ...(draft && { draft }), ...(gate && { gate }) };
  const transfer = [...transferred(source), ...(draft ? transferred(draft) : []), ...(gate ? [gate] : [])];
  return { connection, info: connection.call("load", args, { what: "Loading the model", signal, onEvent, transfer }) };
}

/** The same, of a model that is loaded anew when its engine is lost. */
function keep(...[start, source, options, page, tell]: Parameters<typeof begin>): Loading {
  if (!canReread(source) || (page.draft && !canReread(page.draft))) {
    tell({ warning: { code: "read_once", message: READ_ONCE } });
    return begin(start, source, options, page, tell);
  }
  // The caller's signal ends the load that he asked for, and his control was connected to that one.
  const { signal, control, ...own } = page;
  let asked = page;
  const again = (change: Change) => {
    const loading = begin(start, source, { ...options, ...(change as typeof options) }, asked, tell);
    asked = own;
    return loading;
  };
  const connection = new Recovering(again, options, (warning) => tell({ warning }));
  return { connection, info: connection.load(signal) };
}

/** The same, in whichever tab's turn it is. */
function share(...[start, source, options, page, tell]: Parameters<typeof begin>): Loading {
  const { signal, ...own } = page;
  const connection = new Shared(
    nameOf(source, options, page.draft),
    (tell) => keep(start, source, options, own, tell),
    tell,
  );
  return { connection, info: connection.load(signal) };
}

/** Loads a model through workers that `start` starts. */
export async function connect(
  start: () => Endpoint,
  source: SourceData,
  options: Calls["load"]["args"]["options"],
  page: Place = {},
): Promise<Model> {
  const { onProgress, onWarning } = page;
  const shared = page.shared && canShare();
  if (page.shared && !shared) onWarning?.({ code: "not_shared", message: NOT_SHARED });
  const { connection, info } = (shared ? share : keep)(start, source, options, page, (event) =>
    "progress" in event ? onProgress?.(event.progress) : onWarning?.(event.warning),
  );
  try {
    return new Model(connection, await info);
  } catch (thrown) {
    void connection.end(SottoError.from(thrown));
    throw thrown;
  }
}

const READ_ONCE =
  "The weights come from a stream or from bytes, which cannot be read again: if the device is lost, load the model again; a URL, a File or the store avoids that.";

const NOT_SHARED = "The model is this tab's alone: tabs share one on secure pages; open it over https or on localhost.";

/** A loaded model. It lives in a worker until `dispose()`. */
export class Model extends Loaded {
  readonly info: ModelInfo;
  /** `await model.chat(messages)`, and `chat.completions.create` as OpenAI's client has it. */
  readonly chat: Chat;
  /** `completions.create` as OpenAI's client has it: text goes on as it is, with no template. */
  readonly completions: TextCompletions;
  /** `embeddings.create` as OpenAI's client has it, of a model that embeds. */
  readonly embeddings: Embeddings;
  /** Its LoRA adapters: `adapters.load(source, { id })`, then `adapter: { [id]: scale }` in any call. */
  readonly adapters: Adapters;
  #embedder: Embedder;

  /** Use `load()`. */
  constructor(connection: Caller, info: ModelInfo) {
    super(connection);
    this.info = info;
    this.adapters = new Adapters(this.connection);
    const requests = new Requests(this.connection, info);
    this.chat = requests.chat();
    this.completions = requests.completions();
    this.#embedder = new Embedder(this.connection, info);
    this.embeddings = this.#embedder.embeddings();
  }

  /**
   * Tokens that a chat's request takes of the context, with all that the template puts around its messages; of the
   * options, those that the template sees: `tools`, `tool_choice`, `reasoning_effort`, `chat_template_kwargs`.
   */
  async countTokens(messages: string | readonly AnyMessage[], options?: CountOptions): Promise<number> {
    return (await new Requests(this.connection, this.info).count(messages, options)).tokens;
  }

  /**
   * Reads a system text, or messages that many conversations begin with, before they are asked, and keeps what was computed in
   * the cache as long as there is room without it; gives its tokens. The options are those that the template sees, as of
   * the chats to come: `tools` and the like.
   */
  prime(messages: string | readonly AnyMessage[], options?: PrimeOptions): Promise<number> {
    return new Requests(this.connection, this.info).prime(messages, options);
  }

  /** A conversation that can be saved: `chat` goes on with it, `save` keeps it under its `id`. */
  session(options: SessionOptions): Session {
    return new Session(this.connection, this.chat, options);
  }

  /**
   * The conversation that was saved under a name, with what the model had computed of it: its next reply reads only what is new.
   * None where there is none.
   */
  restore(id: string, options?: Pick<PageOptions, "signal">): Promise<Session | undefined> {
    return restore(this.connection, this.chat, id, options);
  }

  /**
   * The answers to many chats, each at its request's place, or why it has none. Several are written side by side, which
   * takes less time than one after the other.
   */
  batch(requests: readonly BatchRequest[], options?: BatchOptions): Promise<BatchResult[]> {
    return batch((request, call) => this.chat.completions.create(request, call), requests, options);
  }

  /**
   * Asks the model, runs the functions that it calls and tells it what they gave, until it answers without calling one.
   * What fails in a call is told to the model. The calls of one reply run at the same time.
   */
  runTools(request: RunTools, options?: RunToolsOptions): Promise<ToolsReply> {
    const create = (asked: CreateChat & { stream: true }, call: object) => this.chat.completions.create(asked, call);
    return runTools(create, request, options, this.connection);
  }

  /**
   * Streams the reply to a prompt or to chat messages. Leaving the loop stops the model; so does `options.signal`, which
   * then throws a `SottoError` with code `aborted`, or, with `onAbort: "result"`, ends the reply with what there is of it
   * and `finishReason: "abort"`. Replies asked for at the same time are written side by side.
   */
  async *generate(
    prompt: string | readonly AnyMessage[],
    options?: GenerateOptions,
  ): AsyncGenerator<Chunk, void, undefined> {
    const { wire, page } = readOptions("generate", options);
    const { signal, onProgress, onAbort } = page;
    const args = { prompt: readPrompt(prompt), options: wire };
    const keeps = onAbort === "result";
    const ends = keeps ? { stop: signal } : { signal };
    const events = this.connection.stream("generate", args, { what: "The reply", ...ends });
    let begun = false;
    try {
      for (;;) {
        const event = await events.next();
        if (event.done) return void Object.assign(this.info, event.value);
        if ("chunk" in event.value) {
          begun = true;
          yield event.value.chunk;
        } else await this.connection.waits(onProgress?.(event.value.progress), signal);
      }
    } catch (thrown) {
      if (!(keeps && !begun && isAborted(thrown))) throw thrown;
      yield stoppedPiece();
    } finally {
      await events.return(this.info);
    }
  }

  /**
   * A vector of each text, or of one: what texts mean alike has a dot product near 1. Without pooling it is one vector a
   * token, one behind the other. For models that embed (`info.embedding`).
   */
  embed(text: string, options?: EmbedOptions): Promise<Float32Array>;
  embed(texts: readonly string[], options?: EmbedOptions): Promise<Float32Array[]>;
  async embed(texts: string | readonly string[], options?: EmbedOptions): Promise<Float32Array | Float32Array[]> {
    if (typeof texts === "string") return (await this.#embedder.embed([texts], options)).vectors[0]!;
    return (await this.#embedder.embed(readTexts("texts", texts), options)).vectors;
  }

  /** The documents, the one that answers the query best first. For rerankers: models with a classifier of one label. */
  rerank(query: string, documents: readonly string[], options?: ScoringOptions): Promise<Ranked[]> {
    return this.#embedder.rerank(query, documents, options);
  }

  /** The labels of each text, the likeliest first. For models with a classifier. */
  classify(texts: readonly string[], options?: ScoringOptions): Promise<Classified[][]> {
    return this.#embedder.classify(texts, options);
  }

  /** What may stand in the place of the masked word of a text, the likeliest first. For models with `info.embedding.mask`. */
  async fillMask(text: string, options?: FillOptions): Promise<Filled[]> {
    return this.#embedder.fill(text, options);
  }

  /** What the model does now, and what it has done since its load. Asked between two steps of the replies under way. */
  async stats(): Promise<ModelStats> {
    return this.connection.call("stats", {});
  }

  /**
   * Tells the same every so many milliseconds, by default once a second, until the function that it gives is called or the
   * model is disposed.
   */
  onStats(listener: (stats: ModelStats) => void, options?: { every?: number }): () => void {
    return watch(() => this.stats(), listener, readEvery(options));
  }

  /** How likely the model finds a text. */
  async score(text: string, options?: ScoreOptions): Promise<ScoreResult> {
    const { wire, page } = readOptions("score", options);
    const { signal } = page;
    const args = { text: readText("text", text), options: wire };
    const { score, memory } = await this.connection.call("score", args, { signal, what: "The scoring" });
    this.info.memory = memory;
    return score;
  }

  /** Measures prefill and decode speed with made-up tokens. */
  async bench(options?: BenchOptions): Promise<BenchResult> {
    const { wire, page } = readOptions("bench", options);
    const { bench, memory } = await this.connection.call("bench", wire, { ...page, what: "The measurement" });
    this.info.memory = memory;
    return bench;
  }
}
