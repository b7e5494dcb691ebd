/** Every failure the package reports: a stable `code` for programs, one sentence for people. */

import { ERROR_CODES, type ErrorCode } from "./generated.js";

export { ERROR_CODES, type ErrorCode };

/** What is sent between the worker and the page in place of an `Error`. */
export interface ErrorData {
  code: ErrorCode;
  message: string;
}

export class SottoError extends Error {
  override readonly name = "SottoError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  /** Whatever was thrown, as a typed error; the engine's own errors keep their code. */
  static from(thrown: unknown, fallback: ErrorCode = "internal"): SottoError {
    if (thrown instanceof SottoError) return thrown;
    const { code, message } = (thrown ?? {}) as Partial<ErrorData>;
    const text = typeof message === "string" && message !== "" ? message : String(thrown);
    const known = ERROR_CODES.includes(code as ErrorCode);
    return new SottoError(known ? (code as ErrorCode) : fallback, text, { cause: thrown });
  }

  toData(): ErrorData {
    return { code: this.code, message: this.message };
  }
}

/** The error of an `AbortSignal` that fired: its reason is kept as `cause`. */
export function aborted(what: string, signal?: AbortSignal): SottoError {
  return new SottoError("aborted", `${what} was stopped by the caller.`, { cause: signal?.reason });
}
