/**
 * Grammars for a model's replies: a wasm module of its own (`crate/grammar`), fetched when a request first asks for one. The
 * engine calls what is here in the middle of its work.
 */
import init, * as wasm from "../wasm-grammar/sotto_grammar.js";
import { SottoError } from "../wire/errors.js";
import { whyNoWasm } from "./causes.js";

/** A model's tokens, as the engine hands them over. */
export interface Words {
  /** Of all tokens, one after the other, and where those of each end. */
  bytes(): Uint8Array;
  ends(): Uint32Array;
  /** Ids of those that are no text, and of those that end a reply. */
  special(): Uint32Array;
  eog(): Uint32Array;
  /** The ids of a text that goes on after others. */
  tokenize(text: string): Uint32Array;
  free(): void;
}

/** One reply under a grammar. */
export interface Constraint {
  /** Before the first token: 1 if the reply is whole, else 0; then the tokens that are forced. */
  start(): Uint32Array;
  /** After a token; as `start`. */
  commit(token: number): Uint32Array;
  /** The tokens that may come next, a bit each. */
  mask(): Uint32Array;
  free(): void;
}

interface Vocabulary {
  compile(spec: string): Constraint;
  free(): void;
}

const { Vocabulary, __wbg_reset_state: reset } = wasm as unknown as {
  Vocabulary: {
    new (
      bytes: Uint8Array,
      ends: Uint32Array,
      special: Uint32Array,
      eog: Uint32Array,
      tokenize: (text: string) => Uint32Array,
    ): Vocabulary;
    fits(schema: string, text: string): boolean;
  };
  __wbg_reset_state(): void;
};

/** Makes grammars over one model's tokens; its methods are called in the middle of the engine's work. */
export interface Grammars {
  /** A constraint for one reply; `spec` is JSON. Throws `bad_option` for what cannot be kept. */
  compile(spec: string): Constraint;
  /** Whether a text that none of them held to a schema is JSON that fits it; the schema is JSON too. */
  fits(schema: string, text: string): boolean;
  free(): void;
}

/** The module, as long as it works. */
let started: Promise<unknown> | undefined;

/** How often it was made anew, and in which of them vocabularies were made. */
let generation = 0;
const madeIn = new WeakMap<Apart, number>();

/** Fetches the module if it is not there, from `url`, or from `beside`, the engine's file, or from beside this script. */
export async function startGrammars(
  words: () => Promise<Words>,
  url: string | undefined,
  beside: string | undefined,
): Promise<Grammars> {
  const place = url ?? (beside && new URL("sotto_grammar_bg.wasm", new URL(beside, self.location.href)));
  started ??= init(place ? { module_or_path: place } : undefined);
  try {
    await started;
  } catch (cause) {
    started = undefined;
    throw whyNoWasm(cause, "The module of grammars", "sotto_grammar_bg.wasm", "grammarUrl");
  }
  return new Apart(await words());
}

class Apart implements Grammars {
  #words: Words;
  #vocabulary: Vocabulary | undefined;

  constructor(words: Words) {
    this.#words = words;
  }

  compile(spec: string): Constraint {
    return attempt(() => {
      const words = this.#words;
      this.#vocabulary ??= new Vocabulary(words.bytes(), words.ends(), words.special(), words.eog(), (text: string) =>
        words.tokenize(text),
      );
      return guarded(this.#vocabulary.compile(spec));
    }, this);
  }

  fits(schema: string, text: string): boolean {
    return attempt(() => Vocabulary.fits(schema, text));
  }

  /** The vocabulary is made anew: the module was. */
  forget(): void {
    this.#vocabulary = undefined;
  }

  free(): void {
    attempt(() => this.#vocabulary?.free(), this);
    this.#words.free();
  }
}

function guarded(constraint: Constraint): Constraint {
  return {
    start: () => attempt(() => constraint.start()),
    commit: (token) => attempt(() => constraint.commit(token)),
    mask: () => attempt(() => constraint.mask()),
    free: () => attempt(() => constraint.free()),
  };
}

/**
 * A grammar that is too deep or too large for the stack ends the module, not the engine: it is made anew, and what it held
 * of others is lost with it.
 */
function attempt<T>(work: () => T, grammars?: Apart): T {
  const before = generation;
  try {
    if (grammars && madeIn.get(grammars) !== generation) grammars.forget();
    if (grammars) madeIn.set(grammars, generation);
    return work();
  } catch (thrown) {
    const { name } = (thrown ?? {}) as { name?: unknown };
    if (name === "SottoError") throw thrown;
    if (generation === before) {
      generation++;
      reset();
    }
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new SottoError("bad_option", `The grammar is too deep or too large here (${why}); take a simpler one.`, {
      cause: thrown,
    });
  }
}
