/** Tells of something now and then. */
import { bad, shown } from "../wire/check.js";

/** How often, in milliseconds; none less. */
const LEAST = 10;

/** Asks every so many milliseconds and passes on what comes, until the function that it gives is called or asking fails. */
export function watch<T>(ask: () => Promise<T>, tell: (value: T) => void, every: number): () => void {
  if (typeof every !== "number" || !(every >= LEAST && every < 2 ** 31))
    throw bad(`every is ${shown(every)}`, `milliseconds from ${LEAST} on`);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let over = false;
  const stop = () => {
    over = true;
    clearTimeout(timer);
  };
  const next = async () => {
    const value = await ask().catch(stop);
    if (over) return;
    timer = setTimeout(next, every);
    tell(value as T);
  };
  void next();
  return stop;
}
