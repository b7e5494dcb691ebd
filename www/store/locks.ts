/** Who fetches a file: one tab at a time, and the others hear how far it is. */

import { aborted } from "../wire/errors.js";

export interface Word {
  url: string;
  loaded: number;
  total: number | undefined;
}

const CHANNEL = "sotto-store";

/**
 * Waits until nobody else fetches `url`; `hear` is told how far who does is. Resolves to what ends the hold, which ends with
 * the worker too.
 */
export async function hold(
  url: string,
  signal: AbortSignal,
  hear: (word: Word) => void,
): Promise<{ waited: boolean; release: () => void }> {
  const name = `sotto-store:${url}`;
  const take = (options: LockOptions) =>
    new Promise<(() => void) | undefined>((resolve, reject) => {
      const held = navigator.locks.request(name, options, (lock) => {
        if (!lock) return resolve(undefined);
        return new Promise<void>((release) => resolve(release));
      });
      held.catch(reject);
    });
  const now = await take({ ifAvailable: true });
  if (now) return { waited: false, release: now };
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data }: MessageEvent<Word>) => data.url === url && hear(data);
  try {
    return { waited: true, release: (await take({ signal }))! };
  } catch (thrown) {
    throw signal.aborted ? aborted("Loading the model", signal) : thrown;
  } finally {
    channel.close();
  }
}

/** Works while nobody else holds the name in any tab, or holds it `shared` where this does too. Throws `aborted` while it waits. */
export async function locked<T>(
  name: string,
  work: () => Promise<T>,
  { what, signal, shared = false }: { what: string; signal: AbortSignal; shared?: boolean },
): Promise<T> {
  if (signal.aborted) throw aborted(what, signal);
  let begun = false;
  const begin = () => {
    begun = true;
    return work();
  };
  try {
    return await navigator.locks.request(name, { signal, mode: shared ? "shared" : "exclusive" }, begin);
  } catch (thrown) {
    throw signal.aborted && !begun ? aborted(what, signal) : thrown;
  }
}

/** Works if nobody else holds the name now. */
export async function ifFree(name: string, work: () => Promise<void>): Promise<void> {
  await navigator.locks.request(name, { ifAvailable: true }, (lock) => lock && work());
}

/** Tells those who wait. */
export class Speaker {
  #channel = new BroadcastChannel(CHANNEL);

  say(word: Word): void {
    this.#channel.postMessage(word);
  }

  close(): void {
    this.#channel.close();
  }
}
