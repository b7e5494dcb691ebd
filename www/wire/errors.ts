/** Every failure the package reports: a stable `code` for programs, one sentence for people. */

import { ERROR_CODES, type ErrorCode } from "./generated.js";

export { ERROR_CODES, type ErrorCode };

/** What is sent between the worker and the page in place of an `Error`. */
export interface ErrorData {
  code: ErrorCode;
  message: string;
}

/** The longest words of others that a sentence quotes. */
const QUOTED = 200;

export class SottoError extends Error {
  /** Written out, so that it stays as it is where names are made short. */
  static override readonly name = "SottoError";
  override readonly name = "SottoError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  /** As JSON, in which other errors are empty. */
  toJSON(): { name: string; code: ErrorCode; message: string } {
    return { name: this.name, code: this.code, message: this.message };
  }

  /**
   * What was thrown, if it is one already; else one that says `what` failed, and has the thrown value as its cause.
   * Never throws, whatever the value is.
   */
  static from(thrown: unknown, code: ErrorCode = "internal", what = "Something failed"): SottoError {
    return isOurs(thrown) ? thrown : new SottoError(code, `${what} (${said(thrown)}).`, { cause: thrown });
  }

  /** What was sent in its place, or thrown by the engine; `undefined` for what is neither. */
  static read(thrown: unknown): SottoError | undefined {
    if (isOurs(thrown)) return thrown;
    try {
      const { code, message } = Object(thrown) as ErrorData;
      const known = ERROR_CODES.includes(code) && typeof message === "string";
      return known ? new SottoError(code, message, { cause: thrown }) : undefined;
    } catch {
      return undefined;
    }
  }

  toData(): ErrorData {
    return { code: this.code, message: this.message };
  }
}

/** Whatever the value is: of a proxy that was revoked nothing can be asked. */
export function isOurs(thrown: unknown): thrown is SottoError {
  try {
    return thrown instanceof SottoError;
  } catch {
    return false;
  }
}

/** The words of what was thrown, to stand in brackets in a sentence. */
export function said(thrown: unknown): string {
  try {
    const { message } = Object(thrown) as { message?: unknown };
    const words = typeof message === "string" && message !== "" ? message : String(thrown);
    const short = words.length > QUOTED ? `${words.slice(0, QUOTED)}…` : words;
    return short.trim().replace(/\.$/, "");
  } catch {
    return "a value that cannot be shown";
  }
}

/** The error of an `AbortSignal` that fired: its reason is kept as `cause`. */
export function aborted(what: string, signal?: AbortSignal): SottoError {
  return new SottoError("aborted", `${what} was stopped by the caller.`, { cause: signal?.reason });
}
