/** A tab's end of the way to the tab that serves a shared model: to a `Connection` it is a worker like any other. */
import type { Endpoint } from "./workers.js";
import type { ToPage, ToWorker } from "../wire/protocol.js";

/** What goes from a seat to the service; `ping` asks whether it is there. */
export type ToService = ToWorker | { type: "ping" };

/** What comes back; `open`: what is sent is heard. */
export type ToSeat = ToPage | { type: "open" };

/** Said by a service that has begun, to all; seats that have none answer with their names. */
export const HERE = "here";

/** How often a service that owes an answer is asked whether it is there, and how many times it may stay silent. */
const PING_MS = 3000;
const MOST_PINGS = 2;

/** Resolves when it fires: what holds a lock so long. */
export const until = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

export class Seat implements Endpoint {
  onmessage: Endpoint["onmessage"] = null;
  onerror: Endpoint["onerror"] = null;
  /** Whether this is why it has ended: the browser put the tab that serves to sleep, with its locks. */
  asleep = false;
  #hall: BroadcastChannel;
  #channel: BroadcastChannel;
  /** What was sent before a service was there to hear it. */
  #early: ToService[] | undefined = [];
  /** Calls without an answer. */
  #asked = new Set<number>();
  #pings = 0;
  #timer: ReturnType<typeof setInterval>;
  #left = new AbortController();

  /** `hall`: the channel on which seats and service find each other. */
  constructor(hall: string) {
    const name = `${hall} ${crypto.randomUUID()}`;
    const { signal } = this.#left;
    this.#hall = new BroadcastChannel(hall);
    this.#channel = new BroadcastChannel(name);
    const knock = () => this.#early && this.#hall.postMessage(name);
    this.#hall.onmessage = ({ data }: MessageEvent<string>) => data === HERE && knock();
    this.#channel.onmessage = (event: MessageEvent<ToSeat>) => this.#receive(event);
    this.#timer = setInterval(() => this.#ask(), PING_MS);
    // The service asks for this lock, and so learns that the tab is gone.
    const sit = () => {
      knock();
      return until(signal);
    };
    navigator.locks.request(name, { signal }, sit).catch(() => {});
  }

  postMessage(message: ToService): void {
    if (message.type === "call") this.#asked.add(message.id);
    if (this.#early) this.#early.push(message);
    else this.#channel.postMessage(message);
  }

  terminate(): void {
    clearInterval(this.#timer);
    this.#hall.close();
    this.#channel.close();
    this.#left.abort();
  }

  #receive({ data }: MessageEvent<ToSeat>): void {
    this.#pings = 0;
    if (data.type === "done" || data.type === "failed") this.#asked.delete(data.id);
    if (data.type !== "open") return void this.onmessage?.({ data } as MessageEvent<ToPage>);
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const message of early) this.#channel.postMessage(message);
  }

  #ask(): void {
    if (this.#asked.size === 0) this.#pings = 0;
    else if (this.#pings++ < MOST_PINGS) this.#channel.postMessage({ type: "ping" } satisfies ToService);
    else {
      this.asleep = true;
      this.onerror?.({ message: "the tab that runs it is asleep" } as ErrorEvent);
    }
  }
}
