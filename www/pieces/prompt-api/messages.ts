/** Prompts in the W3C's shape, checked as its draft says, and as the package takes them. */

export type Role = "system" | "user" | "assistant";

export interface PromptContent {
  /** Models here read `text`; the others are refused. */
  type: "text" | "image" | "audio" | "tool-call" | "tool-response";
  value: unknown;
}

export interface PromptMessage {
  role: Role;
  content: string | PromptContent[];
  /** Of the last message, an assistant's: the reply goes on with it. */
  prefix?: boolean;
}

export type Prompt = string | PromptMessage[];

/** A message as a session keeps it. */
export interface Said {
  role: string;
  content: string;
}

export interface Read {
  messages: Said[];
  /** How the reply begins, where the prompt says so. */
  prefix: string | undefined;
}

const ROLES: readonly unknown[] = ["system", "user", "assistant"];

/** As Web IDL reads what has members: nothing and null have none; throws for what is no object. */
export function dictionary<T extends object>(given: T | null | undefined, what: string): T {
  if (Object(given) !== given && given != null) throw new TypeError(`${what} is no object.`);
  return given ?? ({} as T);
}

/** `isLater`: something was said before, so that the system has spoken. Throws as the draft says. */
export function read(given: unknown, isLater: boolean): Read {
  const isList = typeof given === "object" && given !== null && Symbol.iterator in given;
  if (!isList) return { messages: [{ role: "user", content: String(given) }], prefix: undefined };
  const prompt = Array.from(given as Iterable<PromptMessage>);
  if (prompt.length === 0) return { messages: [{ role: "user", content: "" }], prefix: undefined };
  let prefix: string | undefined;
  const messages = prompt.flatMap((message, at): Said[] => {
    const { role, content, prefix: isPrefix } = dictionary(message, `message ${at}`);
    if (!ROLES.includes(role)) throw new TypeError(`The role of message ${at} is "${role}"; give ${ROLES.join(", ")}.`);
    if (content === undefined) throw new TypeError(`Message ${at} has no content.`);
    if (isPrefix && (role !== "assistant" || at < prompt.length - 1))
      throw new DOMException("Only the last message, an assistant's, can be a prefix.", "SyntaxError");
    if (role === "system" && (isLater || at > 0))
      throw new TypeError("The system's message stands first, in initialPrompts or in the first prompt.");
    const text = textOf(content);
    if (isPrefix) prefix = text;
    return isPrefix ? [] : [{ role, content: text }];
  });
  return { messages, prefix };
}

function textOf(content: string | PromptContent[]): string {
  if (!Array.isArray(content)) return String(content);
  const texts = content.map((part) => {
    const { type, value } = dictionary(part, "a message's part");
    if (type !== "text") throw new DOMException(`Models here read text, not ${type}.`, "NotSupportedError");
    if (typeof value !== "string") throw new TypeError("The value of a text is no string.");
    return value;
  });
  return texts.join("");
}
