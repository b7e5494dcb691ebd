/** What readers of other libraries' messages share. */
import { bad, shown } from "../../wire/check.js";
import type { AssistantMessage, ChatToolCall, ToolMessage } from "../../wire/openai.js";

/** A shape of messages that is not OpenAI's. */
export interface Shape {
  /** Whether the message is of this shape. */
  knows(message: object): boolean;
  /** What it is in OpenAI's; several where it holds the results of several calls. `place` names it in errors. */
  read(message: never, place: string): object[];
}

/** What a part of a message adds to the turn. */
export type PartReader = (part: never, turn: Turn, place: string) => void;

/** What an assistant says and calls, and what the calls give, while its parts are read. */
export class Turn {
  text = "";
  reasoning = "";
  calls: ChatToolCall[] = [];
  results: ToolMessage[] = [];

  call(id: string, name: string, input: unknown): void {
    const text = typeof input === "string" ? input : JSON.stringify(input ?? {});
    this.calls.push({ id, type: "function", function: { name, arguments: text } });
  }

  result(id: string, value: unknown): void {
    this.results.push({ role: "tool", tool_call_id: id, content: written(value) });
  }

  /** The assistant's message, if it says or calls anything, and then the results. */
  assistant(): (AssistantMessage | ToolMessage)[] {
    const { text, reasoning, calls, results } = this;
    const message: AssistantMessage = {
      role: "assistant",
      content: text,
      ...(reasoning && { reasoning_content: reasoning }),
      ...(calls.length > 0 && { tool_calls: calls }),
    };
    return text || reasoning || calls.length > 0 ? [message, ...results] : results;
  }
}

/** Reads each part by its `type`; `other` reads those that no name of the table is. */
export function readParts(
  parts: readonly unknown[],
  table: Record<string, PartReader>,
  turn: Turn,
  place: string,
  other: PartReader = refuse,
): void {
  parts.forEach((part, i) => {
    const type = typeof part === "string" ? "" : String((part as { type?: unknown } | null)?.type);
    const read = Object.hasOwn(table, type) ? table[type]! : other;
    read((typeof part === "string" ? { text: part } : (part ?? {})) as never, turn, `${place}[${i}]`);
  });
}

/** A member of a part that has to be text. */
export function textOf(part: object, name: string, place: string): string {
  const value = (part as Record<string, unknown>)[name];
  if (typeof value !== "string") throw bad(`${place}.${name} is ${shown(value)}`, "text");
  return value;
}

export const PLAIN: PartReader = (part: object, turn, place) => {
  turn.text += textOf(part, "text", place);
};

export const THOUGHT: PartReader = (part: object, turn, place) => {
  turn.reasoning += textOf(part, "text", place);
};

export const SKIP: PartReader = () => {};

export const refuse: PartReader = ({ type }: { type: unknown }, _turn, place) => {
  throw bad(`${place} is a part of type ${shown(type)}`, "text: models here read nothing else");
};

/** A tool's result, as text. */
export function written(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "null");
}
