/** Tells of something now and then. */
import { bad, checked, reading, shown } from "../wire/check.js";

/** How often, in milliseconds; none less. */
const LEAST = 10;

/** By default once a second. */
export function readEvery(options: unknown): number {
  const { every = 1000 } = reading("An option of onStats", () =>
    checked("onStats", { properties: { every: true } }, options, []),
  );
  return every as number;
}

/**
 * Asks every so many milliseconds and passes on what comes, until the function that it gives is called, asking fails or the
 * listener throws, which is then an uncaught error of the page.
 */
export function watch<T>(ask: () => Promise<T>, tell: (value: T) => void, every: number): () => void {
  if (typeof tell !== "function") throw bad(`the listener is ${shown(tell)}`, "a function");
  if (typeof every !== "number" || !(every >= LEAST && every < 2 ** 31))
    throw bad(`every is ${shown(every)}`, `milliseconds from ${LEAST} to ${2 ** 31 - 1}`);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let over = false;
  const stop = () => {
    over = true;
    clearTimeout(timer);
  };
  const next = async () => {
    const value = await ask().catch(stop);
    if (over) return;
    try {
      tell(value as T);
    } catch (thrown) {
      stop();
      // As for a listener of an event; where there are none, as an error at least.
      (globalThis.reportError ?? console.error)(thrown);
    }
    if (!over) timer = setTimeout(next, every);
  };
  void next();
  return stop;
}
