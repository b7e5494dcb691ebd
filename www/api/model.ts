/** A loaded model, as a page holds it. */
import { Connection } from "./connection.js";
import { type Endpoint, Workers } from "./workers.js";
import { SottoError } from "../wire/errors.js";
import type {
  BenchOptions,
  BenchResult,
  Chunk,
  GenerateOptions,
  LoadOptions,
  Message,
  ModelInfo,
  ScoreResult,
  SourceData,
} from "../wire/protocol.js";

/** Loads a model through workers that `start` starts. */
export async function connect(start: () => Endpoint, source: SourceData, options: LoadOptions): Promise<Model> {
  const {
    signal,
    onProgress,
    onWarning,
    wasmUrl,
    backend,
    precision,
    threads,
    contextLength,
    maxBatchTokens,
    kvType,
    f16,
    subgroups,
    dot,
    tune,
  } = options;
  const connection = new Connection(new Workers(start), wasmUrl?.toString());
  try {
    const info = await connection.call(
      "load",
      {
        source,
        options: { backend, precision, threads, contextLength, maxBatchTokens, kvType, f16, subgroups, dot, tune },
      },
      {
        what: "Loading the model",
        signal,
        onEvent: (event) => ("progress" in event ? onProgress?.(event.progress) : onWarning?.(event.warning)),
        transfer: source.kind === "port" ? [source.port] : [],
      },
    );
    return new Model(connection, info);
  } catch (thrown) {
    const error = SottoError.from(thrown);
    void connection.end(error);
    throw error;
  }
}

/** A loaded model. It lives in a worker until `dispose()`. */
export class Model {
  readonly info: ModelInfo;
  #connection: Connection;

  /** Use `load()`. */
  constructor(connection: Connection, info: ModelInfo) {
    this.#connection = connection;
    this.info = info;
  }

  /**
   * Streams the reply to a prompt or to chat messages. Leaving the loop stops the model; so does
   * `options.signal`, which then throws a `SottoError` with code `aborted`. Requests at the same
   * time run one after the other.
   */
  async *generate(prompt: string | Message[], options: GenerateOptions = {}): AsyncGenerator<Chunk, void, undefined> {
    const { signal, onProgress, ...rest } = options;
    const events = this.#connection.stream("generate", { prompt, options: rest }, { what: "The reply", signal });
    try {
      for (;;) {
        const event = await events.next();
        if (event.done) {
          this.info.memory = event.value;
          return;
        }
        if ("chunk" in event.value) yield event.value.chunk;
        else onProgress?.(event.value.progress);
      }
    } finally {
      await events.return(this.info.memory);
    }
  }

  /** Token ids of a text; `addSpecial` adds what the model puts around it, `parseSpecial` reads `<|…|>` as tokens. */
  tokenize(text: string, options: { addSpecial?: boolean; parseSpecial?: boolean } = {}): Promise<number[]> {
    return this.#connection.call("tokenize", { text, options });
  }

  detokenize(ids: ArrayLike<number>, keepSpecial = false): Promise<string> {
    return this.#connection.call("detokenize", { ids: Array.from(ids), keepSpecial });
  }

  /** How likely the model finds a text. */
  async score(text: string, options: { signal?: AbortSignal } = {}): Promise<ScoreResult> {
    const { score, memory } = await this.#connection.call("score", { text }, { ...options, what: "The scoring" });
    this.info.memory = memory;
    return score;
  }

  /** Measures prefill and decode speed with made-up tokens. */
  async bench(options: BenchOptions & { signal?: AbortSignal } = {}): Promise<BenchResult> {
    const { signal, ...rest } = options;
    const { bench, memory } = await this.#connection.call("bench", rest, { signal, what: "The measurement" });
    this.info.memory = memory;
    return bench;
  }

  /** Frees the model's memory and ends its workers; running calls fail with code `disposed`. */
  dispose(): Promise<void> {
    return this.#connection.end(new SottoError("disposed", "The model was disposed; load it again."));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
