/** Failures in the shape of OpenAI's API, for code that was written against its client. */
import { type SottoError, isOurs } from "../wire/errors.js";
import { OPENAI_ERRORS } from "../wire/generated.js";
import schemas from "../wire/schema.json" with { type: "json" };

export class OpenAIError extends Error {
  /** Written out, so that it stays as it is where names are made short. */
  static override readonly name = "OpenAIError";
  override readonly name = "OpenAIError";
  /** As an HTTP status. */
  readonly status: number;
  readonly type: string;
  readonly code: string;
  /** The member of the request that is wrong, where the sentence is about one. */
  readonly param: string | null;
  /** The body that a server would have sent. */
  readonly error: { message: string; type: string; param: string | null; code: string };

  constructor(cause: SottoError) {
    super(cause.message, { cause });
    const other = { status: 500, type: "server_error", code: cause.code };
    const isUnknown = cause.code === "bad_option" && UNKNOWN.test(cause.message);
    const { status, type, code } = {
      ...(OPENAI_ERRORS[cause.code] ?? other),
      ...(isUnknown && { code: UNKNOWN_CODE }),
    };
    const param = paramOf(cause);
    this.status = status;
    this.type = type;
    this.code = code;
    this.param = param;
    this.error = { message: cause.message, type, param, code };
  }
}

/** Sentences about a member that there is not. */
const UNKNOWN = /^(\S+) is not an option of (\S+?)[.;](\s|$)/;
const UNKNOWN_CODE = "unknown_parameter";

/** How sentences about a member begin, where it is not with its name. */
const ABOUT: readonly (readonly [RegExp, string])[] = [
  [/^(Messages? |messages\[|overflow\b.*messages)/, "messages"],
  [/^(The (schema|grammar|regular expression)|In the grammar)\b/, "response_format"],
  [/^In the parameters of the tool\b/, "tools"],
  [/^(A|The) logit bias/, "logit_bias"],
  [/^Stop token\b/, "stop_token_ids"],
];

const MEMBERS = new Set(Object.values(schemas).flatMap(({ properties }) => Object.keys(properties)));

function paramOf({ code, message }: SottoError): string | null {
  if (code === "prompt_too_long" || code === "bad_template") return "messages";
  if (code !== "bad_option") return null;
  const [, unknown, whole = ""] = message.match(UNKNOWN) ?? [];
  // Of the call itself, or of one of its members.
  if (unknown) return MEMBERS.has(first(whole)) ? `${whole}.${unknown}` : unknown;
  const about = ABOUT.find(([begins]) => begins.test(message))?.[1];
  const named = first(message);
  return about ?? (MEMBERS.has(named) ? named : null);
}

function first(text: string): string {
  return text.match(/^\w+/)?.[0] ?? "";
}

/** What was thrown, as the caller wants it; what the caller's own functions throw stays as it is. */
export function shaped(thrown: unknown, errors: unknown): unknown {
  return isOurs(thrown) && errors === "openai" ? new OpenAIError(thrown) : thrown;
}
