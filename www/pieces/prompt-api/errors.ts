/** The package's failures, as the platform's. */
import { SottoError } from "sotto";

/** Those that are not here are unknown errors. */
const NAMES: Partial<Record<string, string>> = {
  bad_option: "NotSupportedError",
  no_template: "NotSupportedError",
  disposed: "InvalidStateError",
};

export function platform(thrown: unknown): unknown {
  if (!(thrown instanceof SottoError)) return thrown;
  return Object.assign(new DOMException(thrown.message, NAMES[thrown.code] ?? "UnknownError"), { cause: thrown });
}

interface QuotaExceeded {
  new (message: string, sizes: { quota: number; requested: number }): Error;
}

/** Of browsers that do not have the class yet, the exception of its name. */
export function tooLong(requested: number, quota: number): Error {
  const message = `The prompt takes ${requested} tokens and the context holds ${quota}; shorten it.`;
  const { QuotaExceededError: Own } = globalThis as { QuotaExceededError?: QuotaExceeded };
  if (Own) return new Own(message, { quota, requested });
  return Object.assign(new DOMException(message, "QuotaExceededError"), { quota, requested });
}
