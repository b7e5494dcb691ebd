/** What holds a download up while its load is paused. */

/** Resolves at once while it is open, else when it is opened. */
export type Gate = () => Promise<void> | undefined;

/** One that the page opens and shuts by a port. */
export function gateOf(port: MessagePort): Gate {
  let opened: Promise<void> | undefined;
  let open = () => {};
  port.onmessage = ({ data: paused }: MessageEvent<boolean>) => {
    open();
    opened = paused ? new Promise((resolve) => (open = resolve)) : undefined;
  };
  return () => opened;
}
