/** What was said, as plain data: it is kept, exported, and made into the messages that a model is shown. */
import type { AnyMessage, NewMessage } from "sotto";

/** A text file that goes with a message. */
export interface Attachment {
  name: string;
  text: string;
}

/** A call of a function by the model. */
export interface Call {
  id: string;
  name: string;
  arguments: string;
  /** What the model was told. */
  result?: string;
}

export interface UserTurn {
  role: "user";
  text: string;
  files?: Attachment[];
}

/** How a reply ended: `full`: the context held no more; `cut`: the longest reply that was asked for. */
export type End = "whole" | "stopped" | "cut" | "full" | "failed";

/** What a reply took. */
export interface Took {
  tokens: number;
  /** Milliseconds until the first of them, and until the last. */
  first: number;
  last: number;
}

export interface AssistantTurn {
  role: "assistant";
  text: string;
  thoughts?: string;
  calls?: Call[];
  /** Of a reply that called functions: all its messages, as the model is shown them again. */
  messages?: NewMessage[];
  end?: End;
  /** Why it failed. */
  error?: string;
  took?: Took;
  feedback?: "good" | "bad";
  /** The host of the server that it came from; without it, from this tab. */
  from?: string;
}

export type Turn = UserTurn | AssistantTurn;

/** The messages of a turn. */
export function messagesOf(turn: Turn): AnyMessage[] {
  if (turn.role === "user") return [{ role: "user", content: withFiles(turn) }];
  if (turn.messages) return turn.messages;
  return turn.text ? [{ role: "assistant", content: turn.text }] : [];
}

/** A file stands before what is asked about it, in a fence that it does not have itself. */
function withFiles({ text, files = [] }: UserTurn): string {
  const parts = files.map(({ name, text }) => {
    const longest = Math.max(2, ...Array.from(text.matchAll(/`{3,}/g), ([run]) => run.length));
    const fence = "`".repeat(longest + 1);
    return `${name}:\n${fence}\n${text}\n${fence}`;
  });
  return [...parts, text].filter(Boolean).join("\n\n");
}

/** A conversation as a text of Markdown, for people. */
export function markdownOf(turns: readonly Turn[], you: string, assistant: string): string {
  const parts = turns.map((turn) => `**${turn.role === "user" ? you : assistant}**\n\n${messageText(turn)}\n`);
  return parts.join("\n");
}

const messageText = (turn: Turn) => (turn.role === "user" ? withFiles(turn) : turn.text);

const isText = (value: unknown) => typeof value === "string";

/** What else a turn may have. */
const MORE: Record<string, (value: unknown) => boolean> = {
  files: listOf("name", "text"),
  calls: listOf("id", "name", "arguments"),
  messages: listOf("role"),
  thoughts: isText,
  end: isText,
  error: isText,
  feedback: isText,
  took: (value) => ["tokens", "first", "last"].every((name) => typeof Object(value)[name] === "number"),
  from: isText,
};

/** A list of objects that have these texts. */
function listOf(...names: string[]) {
  return (value: unknown): boolean =>
    Array.isArray(value) && value.every((it) => names.every((name) => isText(Object(it)[name])));
}

/** What was kept or given, if it is a conversation: what is none of it is left out. A reply that does not say how it ended is whole. */
export function readTurns(given: unknown): Turn[] {
  if (!Array.isArray(given)) return [];
  return given.flatMap((value: unknown): Turn[] => {
    const { role, text, content = text, ...rest } = Object(value) as Record<string, unknown>;
    if (typeof content !== "string" || (role !== "user" && role !== "assistant")) return [];
    const more = Object.entries(rest).filter(([name, value]) => Object.hasOwn(MORE, name) && MORE[name]!(value));
    const end = role === "assistant" && { end: "whole" };
    return [{ ...end, ...Object.fromEntries(more), role, text: content } as Turn];
  });
}
