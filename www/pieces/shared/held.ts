/** A model as pieces take it: loaded, or still loading. */
import { type Model, SottoError } from "sotto";
import { orAborted } from "./signal.js";

/** A model, what it loads by, or a function that gives either. */
export type Held = Model | PromiseLike<Model> | (() => Model | PromiseLike<Model>);

/** Waits for it until the signal fires. */
export function modelOf(held: Held, signal?: AbortSignal): Promise<Model> {
  // The methods of a model are called on it, so that a proxy of it will do.
  return orAborted((async () => (typeof held === "function" ? held() : held))(), signal);
}

/** Throws for what is no model. */
export function sure(model: Model | undefined): Model {
  if (Object(model).info) return model as Model;
  const sentence = "There is no model: give one that is loaded, the promise of one, or a function that gives either.";
  throw new SottoError("bad_option", sentence);
}

/** As `modelOf`, but what is none is told as that. */
export const sureModelOf = async (held: Held, signal?: AbortSignal): Promise<Model> =>
  sure(await modelOf(held, signal));

/** Its name, where it is there already. */
export const nameOf = (held: Held): string | undefined => Object(held).info?.name;
