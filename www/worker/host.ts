/** The worker's side of the protocol: loads one model, then answers calls about it. */
import type { Engine, EngineModule, Text, TextCalls, TextModule, Work } from "./engine.js";
import { type ErrorCode, SottoError, aborted, said } from "../wire/errors.js";
import { open } from "./fetch.js";
import { gateOf } from "./gate.js";
import type { Grammars, Words } from "./grammar.js";
import {
  type Calls,
  type Inspection,
  KEEP,
  type Method,
  type ModelHeader,
  type ModelInfo,
  type Progress,
  type SourceData,
  type State,
  type ToPage,
  type ToWorker,
  type Warning,
} from "../wire/protocol.js";
import { describeAdapter, insecurePage, isGraphicsCard, requireWebgpu } from "./adapter.js";
import { numbersOf, surroundings } from "./device.js";
import { manage } from "./manage.js";
import { othersOf, readHead } from "./parts.js";
import { pause } from "./pause.js";
import { Reporter } from "./progress.js";
import { readTuning, writeTuning } from "../store/tuning.js";
import { Queue, unlessAborted } from "./queue.js";
import { PATIENCE } from "./remote.js";

/** Bytes given to the engine before waiting for the device to take them. */
const DRAIN_EVERY = 16 << 20;
const PIECE = 1 << 20;

/** What no other device or option makes a model of: it is not kept. */
const USELESS: ErrorCode[] = [
  "not_gguf",
  "unsupported_version",
  "bad_header",
  "bad_metadata",
  "not_a_model",
  "unsupported_architecture",
  "unsupported_tensor_type",
  "missing_tensor",
  "bad_shape",
  "unsupported_tokenizer",
];

interface Context<M extends Method> {
  signal: AbortSignal;
  emit(event: Calls[M]["event"]): void;
}

/** Where the engine comes from. */
export interface EngineSource {
  /** With a number of threads, for the CPU backend alone. */
  start(threads: number | undefined): Promise<EngineModule>;
  /** For a tokenizer and a chat template alone. */
  startText(): Promise<TextModule>;
  /** Fetched when a request first asks for one. */
  startGrammars(words: () => Promise<Words>): Promise<Grammars>;
  /** How many there can be where `wanted` are, or nobody has said; `fast` wants products of 8 bits. */
  usableThreads(wanted: number | undefined, fast: boolean): number | undefined;
}

export class Host {
  #source: EngineSource;
  #post: (message: ToPage) => void;
  #engine: Engine | undefined;
  /** In the engine's place, where only a header was read. */
  #text: Text | undefined;
  /** Of the engine. */
  #grammars: Promise<Grammars> | undefined;
  #crash: SottoError | undefined;
  #running = new Map<number, AbortController>();
  /** Whole requests: replies, which share the engine; scores and measurements, which do not. */
  #requests = new Queue();
  /** Single calls of the engine: it must not be entered while it works, but between the tokens of a reply it may. */
  #steps = new Queue();

  constructor(source: EngineSource, post: (message: ToPage) => void) {
    this.#source = source;
    this.#post = post;
  }

  async handle(message: ToWorker): Promise<void> {
    if (message.type === "abort") this.#running.get(message.id)?.abort(message.keep ? KEEP : undefined);
    if (message.type !== "call") return;
    const { id, method, args } = message;
    const controller = new AbortController();
    this.#running.set(id, controller);
    try {
      if (this.#crash) throw this.#crash;
      const call = this.#calls[method] as (args: unknown, context: Context<Method>) => Promise<unknown>;
      const result = await call(args, {
        signal: controller.signal,
        emit: (event) => this.#post({ type: "event", id, event }),
      });
      this.#post({ type: "done", id, result });
    } catch (thrown) {
      const reason = controller.signal.reason;
      this.#post({ type: "failed", id, error: this.#typed(reason instanceof SottoError ? reason : thrown).toData() });
    } finally {
      this.#running.delete(id);
    }
  }

  /** A crash leaves the engine in no state to go on, so it fails every later call too. */
  #typed(thrown: unknown): SottoError {
    if (isCrash(thrown)) {
      this.#crash = new SottoError("internal", `The engine crashed (${said(thrown)}); load the model again.`, {
        cause: thrown,
      });
      return this.#crash;
    }
    return SottoError.read(thrown) ?? SottoError.from(thrown, "internal", "The worker failed");
  }

  get #ready(): Engine {
    if (!this.#engine) throw new SottoError("disposed", "The model is not loaded any more; load it again.");
    return this.#engine;
  }

  get #texts(): TextCalls {
    return this.#text ?? this.#ready;
  }

  #state(): State {
    const { memory, contextUsage } = this.#ready.info();
    return { memory, contextUsage };
  }

  /**
   * Does all of a work, and passes its steps on; then says what the engine is like. Whichever work asks for a step has one
   * computed for all of them, and each asks once before any asks again: so none waits for who reads slowly.
   */
  #drive<S>(begin: (engine: Engine) => Work<S>, signal: AbortSignal, pass: (step: S) => void): Promise<State> {
    return this.#requests.share(async () => {
      const work = await this.#steps.run(() => begin(this.#ready));
      const cancel = () => work.cancel();
      signal.addEventListener("abort", cancel);
      try {
        for (;;) {
          const step = await this.#steps.run(() => work.next());
          if (signal.aborted && signal.reason !== KEEP) throw aborted("The reply", signal);
          if (step === undefined) break;
          if (step !== null) pass(step);
        }
      } finally {
        signal.removeEventListener("abort", cancel);
        release(work);
      }
      return this.#steps.run(() => this.#state());
    }, signal);
  }

  #calls: { [M in Method]: (args: Calls[M]["args"], context: Context<M>) => Promise<Calls[M]["result"]> } = {
    load: (args, context) => this.#requests.run(() => this.#load(args, context), context.signal),

    loadText: (args, context) => this.#requests.run(() => this.#loadText(args, context), context.signal),

    inspect: (args, { signal }) => this.#inspect(args, signal),

    store: (ask, { signal, emit }) => manage(ask, signal, (progress) => emit({ progress })),

    generate: ({ prompt, options }, { signal, emit }) =>
      this.#drive((engine) => engine.generate(prompt, options), signal, emit),

    chat: async ({ request }, { signal, emit }) => {
      const takes = await this.#steps.run(() => this.#ready.takes_grammars(request));
      const grammars = takes ? await this.#startGrammars(signal) : undefined;
      return this.#drive(
        (engine) => engine.chat(request, grammars),
        signal,
        (steps) => steps.forEach(emit),
      );
    },

    completion: ({ request }, { signal, emit }) =>
      this.#drive(
        (engine) => engine.completion(request),
        signal,
        (steps) => steps.forEach(emit),
      ),

    prime: ({ request }, { signal, emit }) => this.#drive((engine) => engine.prime(request), signal, emit),

    count: ({ request }) => this.#steps.run(() => this.#ready.count(request)),

    stats: () => this.#steps.run(() => this.#ready.stats()),

    tokenize: ({ text, options }) => this.#steps.run(() => Array.from(this.#texts.tokenize(text, options))),

    detokenize: ({ ids, options }) => this.#steps.run(() => this.#texts.detokenize(ids, options)),

    pieces: ({ ids }) => this.#steps.run(() => this.#texts.pieces(ids)),

    renderChat: ({ messages, options }) => this.#steps.run(() => this.#texts.render_chat(messages, options)),

    embed: ({ texts, options }, { signal }) =>
      this.#measure("The embedding", signal, async (engine) => {
        const [dimensions, tokens, values] = await engine.embed(texts, options);
        return { dimensions, tokens, values };
      }),

    scores: ({ query, texts, options }, { signal }) =>
      this.#measure("The ranking", signal, (engine) => engine.scores(query, texts, options)),

    fill: ({ text, options }, { signal }) =>
      this.#measure("The filling in", signal, (engine) => engine.fill(text, options.top)),

    score: ({ text }, { signal }) =>
      this.#measure("The scoring", signal, async (engine) => ({
        score: await engine.score(text),
        memory: engine.info().memory,
      })),

    bench: (options, { signal }) =>
      this.#measure("The measurement", signal, async (engine) => ({
        bench: await engine.bench(options),
        memory: engine.info().memory,
      })),

    dispose: (_args, { signal }) => {
      const disposed = new SottoError("disposed", "The model was disposed while it worked; load it again.");
      for (const [, running] of this.#running) if (running.signal !== signal) running.abort(disposed);
      return this.#requests.run(() => {
        this.#engine?.dispose();
        this.#engine = undefined;
        this.#grammars?.then((grammars) => grammars.free()).catch(() => {});
        this.#grammars = undefined;
        this.#text?.free();
        this.#text = undefined;
        return null;
      });
    },
  };

  async #load(
    { source, options, gate: port }: Calls["load"]["args"],
    { signal, emit }: Context<"load">,
  ): Promise<ModelInfo> {
    const { backend, threads: wanted } = options;
    const usable = backend === "webgpu" ? undefined : this.#source.usableThreads(wanted, options.precision === "fast");
    // Where there are no threads to choose, the engine starts while the adapter is asked for.
    const alone = usable === undefined ? this.#source.start(undefined) : undefined;
    alone?.catch(() => {});
    if (backend === "webgpu") requireWebgpu();
    const described = backend === "cpu" ? { subgroups: false, dot: false } : await describeAdapter();
    // WebGPU does not take shared memory: so threads are for those whom the CPU awaits.
    const starting = alone ?? this.#source.start(isGraphicsCard(described.adapter) ? undefined : usable);
    const { Loader, threads, warning } = await unlessAborted(starting, "Loading the model", signal);
    if (warning) emit({ warning });
    else if (backend !== "webgpu" && !isGraphicsCard(described.adapter) && wanted! > (usable ?? 1))
      emit({ warning: fewThreads(wanted!, usable ?? 1) });
    const subgroups = options.subgroups !== false && described.subgroups;
    const dot = options.dot !== false && described.dot;
    const insecure = backend === undefined || backend === "auto" ? insecurePage() : undefined;
    const reporter = new Reporter((progress) => emit({ progress }));
    const warn = () => {
      const warning = loader.take_warning();
      if (warning) emit({ warning: { code: warning.code, message: insecure ?? warning.message } });
    };
    const tuning = await readTuning(described.adapter, options.precision);
    const created = Loader.create(
      { ...options, subgroups, dot, threads: threads?.count ?? 1, ...(threads?.slowBytes && { precision: "high" }) },
      { adapter: described.adapter, tuning },
      pause,
      threads?.spawn,
    );
    const loader = await unlessAborted(created, "Loading the model", signal);
    let finishing = false;
    try {
      warn();
      const tell = {
        progress: reporter.tell.bind(reporter),
        warn: (code: ErrorCode, message: string) => emit({ warning: { code, message } }),
      };
      const patience = { ...PATIENCE, gate: port && gateOf(port) };
      const first = await open(source, signal, { tell, patience });
      const others = othersOf(source, first.address);
      for (const other of others) await readHead(other, signal, (chunk) => loader.push_part(chunk));
      let loaded = 0;
      let total = others.length > 0 ? undefined : first.total;
      let undrained = 0;
      for (const [index, of] of [source, ...others].entries()) {
        const before = index > 0 ? loader.next_part() : 0;
        const shifted = {
          ...tell,
          progress: (phase: Progress["phase"], bytes: number) => reporter.tell(phase, before + bytes, total),
        };
        const feed = index > 0 ? await open(of, signal, { tell: shifted, patience }) : first;
        reporter.facts = { file: feed.name, fromCache: feed.fromCache };
        loaded = before;
        const report = () => {
          const arriving = feed.arriving();
          const arrived = arriving ? feed.loaded?.() : undefined;
          reporter.tell(arriving ? "download" : "upload", arrived ? before + arrived : loaded, total);
        };
        report();
        try {
          for await (const chunk of feed.chunks) {
            const whole = loader.total_bytes();
            // What a server sends beyond the model, or a stream that never ends, is not waited for.
            if (whole === undefined || loaded < whole) pushPieces(chunk, (piece) => loader.push(piece));
            else if (!feed.kept) break;
            warn();
            loaded += chunk.length;
            undrained += chunk.length;
            total = loader.total_bytes() ?? total;
            report();
            if (loaded >= total! && !feed.kept) break;
            if (undrained >= DRAIN_EVERY) {
              await loader.drain();
              undrained = 0;
            }
          }
        } catch (thrown) {
          const { code } = SottoError.read(thrown) ?? {};
          if (code && USELESS.includes(code)) await feed.discard?.();
          throw thrown;
        }
      }
      reporter.flush();
      reporter.tell("prepare", loaded, total);
      // From here on the loader belongs to finish(), whatever it returns.
      finishing = true;
      const engine = await loader.finish();
      if (signal.aborted) {
        engine.dispose();
        throw aborted("Loading the model", signal);
      }
      this.#engine = engine;
      const info = engine.info();
      if (info.tuning.some((line) => !tuning.includes(line)))
        await writeTuning(described.adapter, options.precision, info.tuning);
      reporter.tell("ready", loaded, loaded);
      return insecure && info.backend === "cpu" ? { ...info, backendReason: insecure } : info;
    } finally {
      reporter.stop();
      if (!finishing) release(loader);
    }
  }

  async #loadText(args: Calls["loadText"]["args"], { signal }: Context<"loadText">): Promise<ModelHeader> {
    const module = await unlessAborted(this.#source.startText(), "Reading the model", signal);
    if ("template" in args) this.#text = module.Text.of_template(args.template);
    else this.#text = await readText(module, args.source, signal, false);
    return this.#text.header();
  }

  async #inspect({ source, options, touch }: Calls["inspect"]["args"], signal: AbortSignal): Promise<Inspection> {
    const module = await unlessAborted(this.#source.startText(), "The inspection", signal);
    const text = await readText(module, source, signal, true);
    const threads = options.backend === "webgpu" ? 1 : this.#source.usableThreads(options.threads, false);
    try {
      const place = await surroundings(options, threads ?? 1, touch, module.cpu_rate);
      return { ...text.header(), ...text.inspect(options, numbersOf(place), place.budget?.who) };
    } finally {
      release(text);
    }
  }

  #startGrammars(signal: AbortSignal): Promise<Grammars> {
    this.#grammars ??= this.#source.startGrammars(() => this.#steps.run(() => this.#ready.words()));
    this.#grammars.catch(() => (this.#grammars = undefined));
    return unlessAborted(this.#grammars, "The reply", signal);
  }

  /** Work that is one call of the engine. */
  #measure<T>(what: string, signal: AbortSignal, work: (engine: Engine) => Promise<T>): Promise<T> {
    const stoppable = async () => {
      if (signal.aborted) throw aborted(what, signal);
      const engine = this.#ready;
      const cancel = () => engine.cancel();
      signal.addEventListener("abort", cancel);
      try {
        return await work(engine);
      } finally {
        signal.removeEventListener("abort", cancel);
      }
    };
    return this.#requests.run(() => this.#steps.run(stoppable), signal);
  }
}

/** The headers of a model's files; one with what cannot be run is an error, unless it is `judged`. */
async function readText(
  { TextLoader }: TextModule,
  source: SourceData,
  signal: AbortSignal,
  judged: boolean,
): Promise<Text> {
  const loader = new TextLoader(judged);
  const address = await readHead(source, signal, (chunk) => loader.push(chunk));
  const others = othersOf(source, address);
  for (const other of others) await readHead(other, signal, (chunk) => loader.push(chunk));
  return loader.finish(1 + others.length);
}

/** The program takes a copy of what it is given: of a piece at a time. */
function pushPieces(chunk: Uint8Array, push: (piece: Uint8Array) => void): void {
  for (let at = 0; at < chunk.length; at += PIECE) push(chunk.subarray(at, at + PIECE));
}

function fewThreads(wanted: number, used: number): Warning {
  const message = `The CPU computes on ${used} thread, not ${wanted}; threads need a cross-origin isolated page and no wasmUrl.`;
  return { code: "not_started", message };
}

/** A wasm trap, or the end of the stack inside of wasm, which engines tell by errors of their own. */
function isCrash(thrown: unknown): boolean {
  if (thrown instanceof WebAssembly.RuntimeError) return true;
  return (
    thrown instanceof Error && /RangeError|InternalError/.test(thrown.name) && /stack|recursion/.test(thrown.message)
  );
}

/** After a trap nothing of the engine can be freed any more: the error that is on its way says so. */
function release(held: { free(): void }): void {
  try {
    held.free();
  } catch (error) {
    console.warn("sotto: memory of a failed request was not freed", error);
  }
}
