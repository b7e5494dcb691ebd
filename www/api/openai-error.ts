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

  /** `tools`: the request's, for failures that are about one of them. */
  constructor(cause: SottoError, tools?: unknown) {
    super(cause.message, { cause });
    const other = { status: 500, type: "server_error", code: cause.code };
    const isUnknown = cause.code === "bad_option" && UNKNOWN.test(cause.message);
    const { status, type, code } = {
      ...(OPENAI_ERRORS[cause.code] ?? other),
      ...(isUnknown && { code: UNKNOWN_CODE }),
    };
    const param = paramOf(cause, tools);
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

/**
 * How sentences about a member begin, where it is not with its name; `crate/chat/errors.rs` reads them alike. `$1` is what
 * stands in brackets.
 */
const ABOUT: readonly (readonly [RegExp, string])[] = [
  [/^Message (\d+) has no role/, "messages[$1].role"],
  [/^Message (\d+) has /, "messages[$1].content"],
  [/^Message (\d+) /, "messages[$1]"],
  [/^(Messages |overflow\b.*messages)/, "messages"],
  [/^The content of message (\d+) /, "messages[$1].content"],
  [/^(?:The tool_calls of|A call's arguments in) message (\d+) /, "messages[$1].tool_calls"],
  [/^The model's chat template does not render message (\d+) /, "messages[$1]"],
  [/^(In the parameters of the tool|The tools?|The calls of these tools) /, "tools"],
  [/^(The (schema|grammar|regular expression)|In the grammar)/, "response_format"],
  [/^(A|The) logit bias/, "logit_bias"],
  [/^Stop token /, "stop_token_ids"],
];

const MEMBERS = new Set(Object.values(schemas).flatMap(({ properties }) => Object.keys(properties)));

function paramOf({ code, message }: SottoError, tools: unknown): string | null {
  if (code === "prompt_too_long") return "messages";
  if (code === "bad_template") return about(message) ?? "messages";
  if (code !== "bad_option") return null;
  const isOf = (tool: { function?: { name?: unknown } } | null) =>
    message.startsWith(`In the parameters of the tool "${tool?.function?.name}":`);
  const at = Array.isArray(tools) ? tools.findIndex(isOf) : -1;
  if (at >= 0) return `tools[${at}].function.parameters`;
  const [, unknown, whole = ""] = message.match(UNKNOWN) ?? [];
  // Of the call itself, or of one of its members.
  if (unknown) return MEMBERS.has(first(whole)) ? `${whole}.${unknown}` : unknown;
  const [, path = "", lacks] = message.match(/^(\S+?)[.,;:]?(?: has no (\w+)|\s|$)/) ?? [];
  return about(message) ?? (MEMBERS.has(first(path)) ? path + (lacks ? `.${lacks}` : "") : null);
}

function about(message: string): string | undefined {
  for (const [begins, member] of ABOUT) {
    const found = message.match(begins);
    if (found) return member.replace("$1", found[1] ?? "");
  }
  return undefined;
}

function first(text: string): string {
  return text.match(/^\w+/)?.[0] ?? "";
}

/** What was thrown, as the caller wants it; what the caller's own functions throw stays as it is. `tools`: the request's. */
export function shaped(thrown: unknown, errors: unknown, tools?: unknown): unknown {
  return isOurs(thrown) && errors === "openai" ? new OpenAIError(thrown, tools) : thrown;
}
