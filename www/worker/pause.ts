/** A break in long work, in which the worker's messages are read. */

let channel: MessageChannel | undefined;
const waiting: (() => void)[] = [];

/** Resolves once the events that wait now were handled. Timers would make it wait for milliseconds. */
export function pause(): Promise<void> {
  channel ??= open();
  const { port2 } = channel;
  return new Promise((resolve) => {
    waiting.push(resolve);
    port2.postMessage(0);
  });
}

function open(): MessageChannel {
  const opened = new MessageChannel();
  opened.port1.onmessage = () => waiting.shift()?.();
  return opened;
}
