/** Web Locks for one process: exclusive ones, in the order in which they are asked for. */
type Grant = (lock: { name: string } | null) => unknown;
type Options = { signal?: AbortSignal; steal?: boolean; ifAvailable?: boolean };

interface Request {
  grant: Grant;
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

export class FakeLocks {
  #held = new Map<string, Request>();
  #queues = new Map<string, Request[]>();

  request(name: string, ...[options, last]: [Grant] | [Options, Grant]): Promise<unknown> {
    const grant = (last ?? options) as Grant;
    const { signal, steal, ifAvailable } = last ? (options as Options) : {};
    if (ifAvailable && this.#held.has(name)) return Promise.resolve(grant(null));
    return new Promise((resolve, reject) => {
      const request = { grant, resolve, reject };
      const queue = this.#queues.get(name) ?? [];
      this.#queues.set(name, queue);
      const gone = () => new DOMException("The request was aborted.", "AbortError");
      if (signal?.aborted) return reject(gone());
      if (steal) {
        this.#held.get(name)?.reject(gone());
        this.#held.delete(name);
        queue.unshift(request);
      } else queue.push(request);
      signal?.addEventListener("abort", () => {
        const at = queue.indexOf(request);
        if (at < 0) return;
        queue.splice(at, 1);
        reject(gone());
      });
      this.#next(name);
    });
  }

  #next(name: string): void {
    const request = this.#held.has(name) ? undefined : this.#queues.get(name)?.shift();
    if (!request) return;
    this.#held.set(name, request);
    const over = () => {
      if (this.#held.get(name) === request) this.#held.delete(name);
      this.#next(name);
    };
    const granted = Promise.resolve().then(() => request.grant({ name }));
    granted.then(request.resolve, request.reject).finally(over);
  }
}
