/** Failures in the shape of OpenAI's API, for code that was written against its client. */
import { type SottoError, isOurs } from "../wire/errors.js";
import { OPENAI_ERRORS } from "../wire/generated.js";

export class OpenAIError extends Error {
  /** Written out, so that it stays as it is where names are made short. */
  static override readonly name = "OpenAIError";
  override readonly name = "OpenAIError";
  /** As an HTTP status. */
  readonly status: number;
  readonly type: string;
  readonly code: string;
  /** The member of the request that is wrong, where the message begins with its name. */
  readonly param: string | null;
  /** The body that a server would have sent. */
  readonly error: { message: string; type: string; param: string | null; code: string };

  constructor(cause: SottoError, request: object) {
    super(cause.message, { cause });
    const other = { status: 500, type: "server_error", code: cause.code };
    const { status, type, code } = OPENAI_ERRORS[cause.code] ?? other;
    const named = cause.message.match(/^\w+/)?.[0];
    const param = cause.code === "bad_option" && named !== undefined && has(request, named) ? named : null;
    this.status = status;
    this.type = type;
    this.code = code;
    this.param = param;
    this.error = { message: cause.message, type, param, code };
  }
}

function has(request: object, name: string): boolean {
  try {
    return Object.hasOwn(request, name);
  } catch {
    return false;
  }
}

/** What was thrown, as the caller wants it; what the caller's own functions throw stays as it is. */
export function shaped(thrown: unknown, errors: unknown, request: unknown): unknown {
  return isOurs(thrown) && errors === "openai" ? new OpenAIError(thrown, Object(request)) : thrown;
}
