/** What the tab that runs a shared model does for all of them: it answers what their seats ask. */
import type { Caller } from "./caller.js";
import { HERE, type ToSeat, type ToService, until } from "./seat.js";
import { SottoError } from "../wire/errors.js";
import type { Calls, Method, ModelInfo } from "../wire/protocol.js";

type LoadEvent = Calls["load"]["event"];

/** A model that is being loaded. */
export interface Loading {
  connection: Caller;
  info: Promise<ModelInfo>;
}

interface Guest {
  post(message: ToSeat): void;
  /** Ends its locks and its channel. */
  left: AbortController;
  /** Ends of its calls, by their ids. */
  running: Map<number, (keep?: boolean) => void>;
}

export class Service {
  #hall: BroadcastChannel;
  #guests = new Map<string, Guest>();
  #connection: Caller;
  #info: Promise<ModelInfo>;
  /** Those who wait for the load; and what one who comes late has missed. */
  #hear = new Set<(event: LoadEvent) => void>();
  #told: LoadEvent[] = [];
  #gone: Promise<void> | undefined;
  #over = new AbortController();
  /** Resolves when all of it is freed. */
  readonly over = until(this.#over.signal);

  constructor(hall: string, load: (tell: (event: LoadEvent) => void) => Loading) {
    this.#hall = new BroadcastChannel(hall);
    this.#hall.onmessage = ({ data }: MessageEvent<string>) => data !== HERE && this.#admit(data);
    const { connection, info } = load((event) => this.#tell(event));
    this.#connection = connection;
    this.#info = info;
    // An engine that ends while it loads is a load that fails.
    info.then(() => connection.ended.addEventListener("abort", () => this.end())).catch(() => {});
    this.#hall.postMessage(HERE);
  }

  /** Its guests go elsewhere. */
  end(): void {
    if (this.#gone) return;
    this.#hall.close();
    for (const name of this.#guests.keys()) this.#leave(name)?.left.abort();
    this.#gone = this.#connection.end(new SottoError("disposed", "Another tab runs the model."));
    void this.#gone.then(() => this.#over.abort());
  }

  /** Resolves when nobody needs it, and it is freed; at once where somebody does. */
  async endUnused(): Promise<void> {
    if (this.#guests.size > 0) return;
    this.end();
    await this.over;
  }

  #tell(event: LoadEvent): void {
    // Of progress the last is enough.
    this.#told = [...this.#told.filter((told) => !("progress" in told && "progress" in event)), event];
    for (const hear of this.#hear) hear(event);
  }

  #admit(name: string): void {
    if (this.#guests.has(name)) return;
    const channel = new BroadcastChannel(name);
    const left = new AbortController();
    const { signal } = left;
    const post = (message: ToSeat) => signal.aborted || channel.postMessage(message);
    const guest: Guest = { post, left, running: new Map() };
    this.#guests.set(name, guest);
    channel.onmessage = ({ data }: MessageEvent<ToService>) => this.#receive(name, guest, data);
    signal.addEventListener("abort", () => channel.close());
    post({ type: "open" });
    const gone = () => {
      this.#leave(name);
      left.abort();
      void this.endUnused();
    };
    navigator.locks.request(name, { signal }, gone).catch(() => {});
  }

  /** Ends its calls. */
  #leave(name: string): Guest | undefined {
    const guest = this.#guests.get(name);
    this.#guests.delete(name);
    for (const end of guest?.running.values() ?? []) end();
    return guest;
  }

  #receive(name: string, guest: Guest, message: ToService): void {
    const { post, left, running } = guest;
    if (message.type === "ping") post({ type: "open" });
    else if (message.type === "call") void this.#answer(name, guest, message);
    else if (message.type === "abort") running.get(message.id)?.(message.keep);
    else if (message.type === "start" && message.lock) {
      // As a worker does: the seat asks for it, and so learns that this tab is gone.
      const held = () => {
        post({ type: "ready" });
        return until(left.signal);
      };
      navigator.locks.request(message.lock, { signal: left.signal }, held).catch(() => {});
    }
  }

  async #answer(
    name: string,
    { post, left, running }: Guest,
    { id, method, args }: Extract<ToService, { type: "call" }>,
  ): Promise<void> {
    const abort = new AbortController();
    const stop = new AbortController();
    running.set(id, (keep) => (keep ? stop : abort).abort());
    const onEvent = (event: unknown) => void post({ type: "event", id, event });
    const onSampled = (sampled: readonly number[]) => void post({ type: "event", id, sampled });
    try {
      const options = { signal: abort.signal, stop: stop.signal, onEvent, onSampled };
      let result: unknown = null;
      if (method === "load") result = await this.#join(onEvent);
      else if (method === "dispose") {
        this.#leave(name);
        await this.endUnused();
      } else {
        await this.#info;
        result = await this.#connection.call(method, args as Calls[Method]["args"], options);
      }
      post({ type: "done", id, result });
      if (method === "dispose") left.abort();
    } catch (thrown) {
      post({ type: "failed", id, error: SottoError.from(thrown).toData() });
    }
    running.delete(id);
  }

  async #join(hear: (event: LoadEvent) => void): Promise<ModelInfo> {
    this.#told.forEach(hear);
    this.#hear.add(hear);
    try {
      return await this.#info;
    } finally {
      this.#hear.delete(hear);
    }
  }
}
