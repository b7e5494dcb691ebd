/** Pauses a load. */

/** Given to `load` as `control`: holds its download up, and lets it go on where it was. */
export class LoadControl {
  #paused = false;
  #ports: MessagePort[] = [];

  // Bound to the object itself: they work through a proxy of it too.
  /** No more is asked of the server; what is on its way may still arrive. */
  pause = (): void => this.#set(true);
  /** It goes on from where it was; a connection that was cut meanwhile is asked again. */
  resume = (): void => this.#set(false);
  /** Whether it is held up. */
  isPaused = (): boolean => this.#paused;
  /** For `load`: a port that tells a worker. */
  connect = (): MessagePort => {
    const { port1, port2 } = new MessageChannel();
    this.#ports.push(port1);
    port1.postMessage(this.#paused);
    return port2;
  };

  #set(paused: boolean): void {
    this.#paused = paused;
    for (const port of this.#ports) port.postMessage(paused);
  }
}
