/** A model as pieces take it: loaded, or still loading. */
import type { Model } from "sotto";

/** A model, what it loads by, or a function that gives either. */
export type Held = Model | PromiseLike<Model> | (() => Model | PromiseLike<Model>);

export async function modelOf(held: Held): Promise<Model> {
  // The methods of a model are called on it, so that a proxy of it will do.
  return typeof held === "function" ? held() : held;
}

/** Its name, where it is there already. */
export function nameOf(held: Held): string | undefined {
  return typeof held === "object" && "info" in held ? held.info.name : undefined;
}
