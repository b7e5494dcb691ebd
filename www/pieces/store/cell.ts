/** A state that is replaced, never changed, those that hear of it, and those that need it. */
export abstract class Cell<State extends object> {
  #state: State;
  #listeners = new Set<() => void>();
  #users = 0;

  constructor(state: State) {
    this.#state = state;
  }

  readonly get = (): State => this.#state;

  /** Calls `listener` after each change, until the function that is returned is called. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Keeps the work going until what is returned is called; it ends when nobody keeps it, unless one does at once again. */
  readonly keep = (): (() => void) => {
    this.#users++;
    this.begin();
    return () => {
      this.#users--;
      // React's strict mode takes a component out, and puts it back.
      setTimeout(() => this.#users === 0 && this.end());
    };
  };

  /** What is to be done as soon as somebody keeps it. */
  protected begin(): void {}

  /** Ends what is under way. */
  protected abstract end(): void;

  protected set(changed: Partial<State>): void {
    this.#state = { ...this.#state, ...changed };
    for (const listener of [...this.#listeners]) listener();
  }
}
