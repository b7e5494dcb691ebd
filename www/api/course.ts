/** A call that goes on elsewhere when what it ran on is gone. */
import type { Calls, Method } from "../wire/protocol.js";

type Event = Calls[Method]["event"];

/** What names an answer: the same for all parts of one. */
interface Named {
  id: string;
  created: number;
}

/** What an event of a reply holds that is delivered once. */
interface Part extends Partial<Named> {
  choices?: { index: number }[];
}

/** Of events that belong to no single reply. */
const WHOLE = -1;

/**
 * Notes what comes of a call, and what was sampled for it. Each time it is made again, it goes on behind that, and what was
 * delivered is not delivered again.
 */
export class Course<M extends Method> {
  #args: Calls[M]["args"];
  #tell: ((event: Calls[M]["event"]) => unknown) | undefined;
  #named: Named | undefined;
  /** Reply and token, in turn. */
  #sampled: number[] = [];
  /** Parts that came of each reply, ever and of this making. */
  #delivered = new Map<number, number>();
  #come = new Map<number, number>();
  #grew = false;

  constructor(method: M, args: Calls[M]["args"], tell: ((event: Calls[M]["event"]) => unknown) | undefined) {
    this.#args = seeded(method, args);
    this.#tell = tell;
  }

  /** Whether anything was delivered. */
  get begun(): boolean {
    return this.#delivered.size > 0;
  }

  /** Whether more was known of it when this making ended than when it began. */
  get grew(): boolean {
    return this.#grew;
  }

  /** The arguments to make the call with, now. */
  make(): Calls[M]["args"] {
    this.#come.clear();
    this.#grew = false;
    return this.#sampled.length > 0 ? { ...this.#args, past: [...this.#sampled] } : this.#args;
  }

  /** What the call is made with, to hear all that comes of it. */
  readonly heard = {
    onEvent: (event: Calls[M]["event"]) => this.#hear(event),
    onSampled: (sampled: readonly number[]) => {
      this.#sampled.push(...sampled);
      this.#grew ||= sampled.length > 0;
    },
  };

  #hear(event: Calls[M]["event"]): unknown {
    const part = partOf(event);
    if (!part) return this.#tell?.(event);
    const reply = part.choices?.[0]?.index ?? WHOLE;
    const come = (this.#come.get(reply) ?? 0) + 1;
    this.#come.set(reply, come);
    if (come <= (this.#delivered.get(reply) ?? 0)) return undefined;
    this.#delivered.set(reply, come);
    this.#grew = true;
    const { id, created } = part;
    if (id !== undefined && created !== undefined) {
      this.#named ??= { id, created };
      Object.assign(part, this.#named);
    }
    return this.#tell?.(event);
  }
}

/** What of an event is delivered once; progress may come again. */
function partOf(event: Event): Part | undefined {
  const [[kind, part] = []] = Object.entries(Object(event) as object);
  return kind === "chunk" || kind === "completion" || kind === "text" ? (part as Part) : undefined;
}

/** With a seed: made again, the call samples the same tokens. */
function seeded<M extends Method>(method: M, args: Calls[M]["args"]): Calls[M]["args"] {
  const key = { generate: "options", chat: "request", completion: "request" }[method as string];
  if (!key) return args;
  const settings = (args as Record<string, { seed?: number | null }>)[key]!;
  const seed = settings.seed ?? Math.floor(Math.random() * 2 ** 53);
  return { ...args, [key]: { ...settings, seed } };
}
