/** The worker's side of the protocol: loads one model, then answers calls about it. */
import type { Engine, EngineModule, Kind, Text, TextCalls, TextModule, Work } from "./engine.js";
import { loadAdapter } from "./adapters.js";
import { type ErrorCode, SottoError, aborted, said } from "../wire/errors.js";
import { open } from "./fetch.js";
import { fill, fixed } from "./fill.js";
import { gateOf } from "./gate.js";
import type { Grammars, Words } from "./grammar.js";
import type { ChatStep } from "../wire/generated.js";
import {
  type Calls,
  type Inspection,
  KEEP,
  type LoadOptions,
  type Method,
  type ModelHeader,
  type ModelInfo,
  type SourceData,
  type State,
  type Step,
  type ToPage,
  type ToWorker,
} from "../wire/protocol.js";
import { describeAdapter, insecurePage, kindFor, requireWebgpu } from "./adapter.js";
import { numbersOf, surroundings } from "./device.js";
import { isRepository } from "./hub.js";
import { Loading } from "./loading.js";
import { manage } from "./manage.js";
import { leave, ofWhole, othersOf, readHead } from "./parts.js";
import { Reporter } from "./progress.js";
import { readTuning, writeTuning } from "../store/tuning.js";
import { pause } from "./pause.js";
import { Queue, unlessAborted } from "./queue.js";
import { PATIENCE } from "./remote.js";
import { type QuantizeModules, quantize } from "./quantize.js";
import { converting } from "./repository.js";
import { type Ask, restoreSession, saveSession } from "./sessions.js";

/** Numbers of what was sampled that are told without an event, of replies that are told when they are whole. */
const QUIET = 32;

/** Requests that the engine knows at a time. More wait here: whoever waits in its own line asks it for nothing again and again. */
const AT_ONCE = 64;

interface Context<M extends Method> {
  signal: AbortSignal;
  /** `sampled`: see `ToPage`. */
  emit(event: Calls[M]["event"] | undefined, sampled?: readonly number[]): void;
}

/** Where the engine comes from. */
export interface EngineSource extends QuantizeModules {
  /** With a number of threads, for the CPU alone. */
  start(kind: Kind, threads: number | undefined): Promise<EngineModule>;
  /** For a tokenizer and a chat template alone: of the engine that would be fetched anyway. */
  startText(kind: Kind): Promise<TextModule>;
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
  #requests = new Queue(AT_ONCE);
  /** Single calls of the engine: it must not be entered while it works, but between the tokens of a reply it may. */
  #steps = new Queue();
  /** Adapters on their way. */
  #adapters = new Queue();

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
        emit: (event, sampled = []) => {
          if (event !== undefined || sampled.length > 0) this.#post({ type: "event", id, event, sampled });
        },
      });
      this.#post({ type: "done", id, result });
    } catch (thrown) {
      const reason = controller.signal.reason;
      const error = this.#typed(reason instanceof SottoError ? reason : thrown).toData();
      const over = this.#crash !== undefined || error.code === "device_lost";
      this.#post({ type: "failed", id, error, ...(over && { over }) });
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

  #ask: Ask = (work) => this.#steps.run(() => work(this.#ready));

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
  #drive<E>(
    begin: (engine: Engine) => Work<E | E[]>,
    { signal, emit }: { signal: AbortSignal; emit(event: E | undefined, sampled?: readonly number[]): void },
    priority?: number | null,
  ): Promise<State> {
    return this.#requests.share(
      async () => {
        const work = await this.#steps.run(() => begin(this.#ready));
        const cancel = () => work.cancel();
        signal.addEventListener("abort", cancel);
        const sampled: number[] = [];
        try {
          for (;;) {
            const step = await this.#steps.run(() => work.next());
            if (signal.aborted && signal.reason !== KEEP) throw aborted("The reply", signal);
            if (step === undefined) break;
            sampled.push(...work.sampled());
            for (const event of step === null ? [] : ([step].flat() as E[])) emit(event, sampled.splice(0));
            if (sampled.length > QUIET) emit(undefined, sampled.splice(0));
          }
        } finally {
          signal.removeEventListener("abort", cancel);
          emit(undefined, sampled);
          release(work);
        }
        return this.#steps.run(() => this.#state());
      },
      signal,
      priority ?? 0,
    );
  }

  #calls: { [M in Method]: (args: Calls[M]["args"], context: Context<M>) => Promise<Calls[M]["result"]> } = {
    load: (args, context) => this.#requests.run(() => this.#load(args, context), context.signal),

    loadText: (args, context) => this.#requests.run(() => this.#loadText(args, context), context.signal),

    inspect: (args, { signal }) => this.#inspect(args, signal),

    quantize: (args, context) => this.#requests.run(() => quantize(args, this.#source, context), context.signal),

    store: (ask, { signal, emit }) => manage(ask, signal, (progress) => emit({ progress })),

    generate: ({ prompt, options, past }, context) =>
      this.#drive<Step>(
        (engine) => engine.generate(prompt, options, Uint32Array.from(past ?? [])),
        context,
        options.priority,
      ),

    chat: async ({ request, past }, context) => {
      const takes = await this.#steps.run(() => this.#ready.takes_grammars(request));
      const grammars = takes ? await this.#startGrammars(context.signal) : undefined;
      return this.#drive<ChatStep>(
        (engine) => engine.chat(request, grammars, Uint32Array.from(past ?? [])),
        context,
        request.priority,
      );
    },

    completion: ({ request, past }, context) =>
      this.#drive<ChatStep>(
        (engine) => engine.completion(request, Uint32Array.from(past ?? [])),
        context,
        request.priority,
      ),

    prime: ({ request }, context) => this.#drive<Step>((engine) => engine.prime(request), context),

    count: ({ request }) => this.#steps.run(() => this.#ready.count(request)),

    // Beside replies.
    saveSession: (args, { signal }) => saveSession(this.#ask, args, signal),

    restoreSession: ({ id }, { signal }) => {
      const restore = () => restoreSession(this.#ask, id, signal);
      return restore().catch((thrown) => {
        if (SottoError.read(thrown)?.code !== "disposed") throw thrown;
        // The replies under way have no room for it.
        return this.#requests.run(restore, signal);
      });
    },

    stats: async () => {
      const { requests, ...others } = await this.#ask((engine) => engine.stats());
      const [waiting, total] = [requests.waiting, requests.total].map((count) => count + this.#requests.waiting);
      return { requests: { ...requests, waiting: waiting!, total: total! }, ...others };
    },

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

    // One at a time, beside replies.
    loadAdapter: (args, { signal }) => this.#adapters.run(() => loadAdapter(this.#ask, args, signal), signal),

    unloadAdapter: ({ id }) =>
      this.#steps.run(() => {
        this.#ready.adapter_unload(id);
        return null;
      }),

    adapters: () => this.#steps.run(() => this.#ready.adapters()),

    score: ({ text, options }, { signal }) =>
      this.#measure("The scoring", signal, async (engine) => ({
        score: await engine.score(text, options),
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
    { source, draft, options, gate: port }: Calls["load"]["args"],
    { signal, emit }: Context<"load">,
  ): Promise<ModelInfo> {
    const { backend = "auto" } = options;
    // Where the options say which engine it is, it is fetched while the adapter is asked for.
    const sure = backend === "auto" ? undefined : backend;
    const threads =
      sure === "webgpu" ? undefined : this.#source.usableThreads(options.threads, options.precision === "fast");
    const start = (kind: Kind) => this.#source.start(kind, kind === "cpu" ? threads : undefined);
    const early = sure && start(sure);
    early?.catch(() => {});
    if (sure === "webgpu") requireWebgpu();
    const described = sure === "cpu" ? { subgroups: false, dot: false } : await describeAdapter();
    const insecure = sure ? undefined : insecurePage();
    const reporter = new Reporter((progress) => emit({ progress }));
    const tell = {
      progress: reporter.tell.bind(reporter),
      warn: (code: ErrorCode, message: string) => emit({ warning: { code, message } }),
    };
    const patience = { ...PATIENCE, gate: port && gateOf(port) };
    // The file is asked for while the engine comes.
    const convert = converting(() => this.#source.startRepositories());
    const opening = open(source, signal, { tell, patience, quantize: options.quantize, convert });
    opening.catch(() => {});
    const tuning = await readTuning(described.adapter, options.precision);
    const loading = await Loading.begin(sure ?? kindFor(described), {
      options,
      described,
      tuning,
      threads,
      start,
      warn: (warning) => emit({ warning }),
      signal,
    }).catch((thrown: unknown) => {
      reporter.stop();
      opening.then(leave).catch(() => {});
      throw thrown;
    });
    const warn = () => {
      const warning = loading.loader.take_warning();
      if (warning) emit({ warning: { code: warning.code, message: insecure ?? warning.message } });
    };
    let finishing = false;
    try {
      warn();
      const { loaded, total } = await fill(loading, source, opening, signal, { reporter, tell, patience, warn });
      reporter.flush();
      reporter.tell("prepare", loaded, total);
      // From here on the loader belongs to finish(), whatever it returns.
      finishing = true;
      const engine = await loading.loader.finish();
      if (signal.aborted) {
        engine.dispose();
        throw aborted("Loading the model", signal);
      }
      this.#engine = engine;
      if (draft) {
        const guesses = await engine.draft_loader(options, { adapter: described.adapter, tuning }, pause);
        const quantize = isRepository(draft) ? options.quantize : undefined;
        const opened = open(draft, signal, { tell, patience, quantize, convert });
        await fill(fixed(guesses), draft, opened, signal, { reporter, tell, patience, warn() {} });
        engine.set_draft(await guesses.finish());
      }
      const info = engine.info();
      if (info.tuning.some((line) => !tuning.includes(line)))
        await writeTuning(described.adapter, options.precision, info.tuning);
      reporter.tell("ready", loaded, loaded);
      return insecure && info.backend === "cpu" ? { ...info, backendReason: insecure } : info;
    } finally {
      reporter.stop();
      if (!finishing) release(loading.loader);
    }
  }

  async #loadText(args: Calls["loadText"]["args"], { signal }: Context<"loadText">): Promise<ModelHeader> {
    const module = await unlessAborted(this.#startText(undefined), "Reading the model", signal);
    if ("template" in args) this.#text = module.Text.of_template(args.template);
    else this.#text = (await this.#readText(module, args.source, signal)).text;
    return this.#text.header();
  }

  async #inspect({ source, options, touch }: Calls["inspect"]["args"], signal: AbortSignal): Promise<Inspection> {
    const module = await unlessAborted(this.#startText(options.backend), "The inspection", signal);
    const { text, there } = await this.#readText(module, source, signal, options.quantize ?? "auto");
    const threads = options.backend === "webgpu" ? 1 : this.#source.usableThreads(options.threads, false);
    try {
      const place = await surroundings(options, threads ?? 1, touch, module.cpu_rate);
      const header = text.header();
      const { verdict, ...judgement } = text.inspect(options, numbersOf(place), place.budget?.who);
      return { ...header, ...judgement, verdict: ofWhole(verdict, header.fileBytes, there) };
    } finally {
      release(text);
    }
  }

  /**
   * The headers of a model's files; one with what cannot be run is an error, unless it is judged by what `quantize` makes of
   * it. `there`: their bytes.
   */
  async #readText(
    { TextLoader }: TextModule,
    source: SourceData,
    signal: AbortSignal,
    quantize?: string,
  ): Promise<{ text: Text; there: number | undefined }> {
    const loader = new TextLoader(quantize !== undefined);
    const opening = { quantize, convert: converting(() => this.#source.startRepositories()) };
    const read = (from: SourceData) => readHead(from, signal, (chunk) => loader.push(chunk), opening);
    const first = await read(source);
    const others = othersOf(source, first.address);
    let there = first.total;
    for (const other of others) {
      const { total } = await read(other);
      there = there && total && there + total;
    }
    return { text: loader.finish(1 + others.length), there };
  }

  /** What reads texts comes with the engine that a load would take. */
  async #startText(backend: LoadOptions["backend"] = "auto"): Promise<TextModule> {
    return this.#source.startText(backend === "auto" ? kindFor(await describeAdapter()) : backend);
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
