/** The page's turn, where much arrives at once: clicks, keys and frames come between. */

/** Milliseconds that others wait at most. */
const MOST = 12;

let since = 0;

/** Nothing, or what to wait for before the work goes on. */
export function pause(): Promise<void> | undefined {
  if (performance.now() - since < MOST) return undefined;
  return new Promise((resolve) => {
    // Timers rest where the page is not seen; messages do not.
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      since = performance.now();
      resolve();
    };
    port2.postMessage(0);
  });
}
