/**
 * LangChain's messages (npm `@langchain/core`): instances of its classes, what `toDict()` and `JSON.stringify` make of
 * them, and the short forms that it takes in their place.
 */
import { kind } from "../../wire/check.js";
import { PLAIN, type PartReader, SKIP, type Shape, Turn, readParts, textOf, written } from "./shape.js";

/** What all of its forms hold. */
interface Fields {
  content: string | unknown[];
  role?: string;
  name?: string;
  tool_call_id?: string;
  tool_calls?: { id?: string; name: string; args: unknown }[];
  additional_kwargs?: {
    reasoning_content?: string;
    tool_calls?: { id: string; function: { name: string; arguments: string } }[];
  };
}

/** OpenAI's roles of its types of messages. */
const ROLES: Record<string, string> = {
  human: "user",
  ai: "assistant",
  system: "system",
  developer: "developer",
  tool: "tool",
  function: "function",
};

/** Other names that a type may have: OpenAI's roles, a message with a role of its own, one that takes another away. */
const OTHERS = ["user", "assistant", "generic", "chat", "remove"];

const isType = (type: unknown): type is string =>
  typeof type === "string" && (Object.hasOwn(ROLES, type) || OTHERS.includes(type));

/** Of a content that is a list; calls are in `tool_calls` too. */
const PARTS: Record<string, PartReader> = {
  "": PLAIN,
  text: PLAIN,
  reasoning: (part: object, turn, place) => {
    turn.reasoning += textOf(part, "reasoning", place);
  },
  thinking: (part: object, turn, place) => {
    turn.reasoning += textOf(part, "thinking", place);
  },
  tool_call: SKIP,
  tool_call_chunk: SKIP,
  invalid_tool_call: SKIP,
  tool_use: SKIP,
};

/** Type and fields of each form, `undefined` of what is none of them. */
const FORMS: ((message: Record<string, unknown>) => [type: string, fields: Fields] | undefined)[] = [
  // An instance.
  (message) => {
    const typed = message as { getType?: unknown; _getType?: unknown };
    const name = ["getType", "_getType"].find((name) => typeof typed[name as "getType"] === "function");
    return name ? [String((message as Record<string, () => unknown>)[name]!()), message as never] : undefined;
  },
  // `toJSON()`: { lc: 1, id: ["langchain_core", "messages", "AIMessage"], kwargs }.
  ({ lc, id, kwargs }) =>
    lc !== undefined && Array.isArray(id) && kind(kwargs) === "object"
      ? [
          String(id.at(-1))
            .replace(/Message(Chunk)?$/, "")
            .toLowerCase(),
          kwargs as Fields,
        ]
      : undefined,
  // `toDict()`: { type: "ai", data }.
  ({ type, data }) => (isType(type) && kind(data) === "object" ? [type, data as Fields] : undefined),
  // A copy of an instance: { type: "ai", content }.
  (message) =>
    isType(message.type) && "content" in message && (!("role" in message) || "lc_kwargs" in message)
      ? [message.type, message as never]
      : undefined,
  // Short forms: { role: "human", content }, ["human", content].
  (message) =>
    ["human", "ai"].includes(message.role as string) ? [message.role as string, message as never] : undefined,
  (message) =>
    Array.isArray(message) && message.length === 2 && isType(message[0])
      ? [message[0], { content: message[1] }]
      : undefined,
];

const form = (message: object) => {
  for (const read of FORMS) {
    const found = read(message as Record<string, unknown>);
    if (found) return found;
  }
  return undefined;
};

export const langchain: Shape = {
  knows: (message) => form(message) !== undefined,
  read(message: object, place) {
    const [type, fields] = form(message)!;
    // Of LangGraph's lists: a message that another one takes away.
    if (type === "remove") return [];
    const { content, additional_kwargs: more } = fields;
    const turn = new Turn();
    readParts(Array.isArray(content) ? content : [written(content ?? "")], PARTS, turn, `${place}.content`);
    const role = ROLES[type] ?? fields.role ?? type;
    const name = fields.name ? { name: fields.name } : {};
    if (role === "tool") return [{ role, content: turn.text, tool_call_id: fields.tool_call_id ?? "", ...name }];
    if (role !== "assistant") return [{ role, content: turn.text, ...name }];
    turn.reasoning ||= more?.reasoning_content ?? "";
    for (const { id, name, args } of fields.tool_calls ?? []) turn.call(id ?? "", name, args);
    if (turn.calls.length === 0)
      for (const { id, function: called } of more?.tool_calls ?? []) turn.call(id, called.name, called.arguments);
    const said = turn.assistant();
    return said.length > 0 ? said : [{ role, content: "" }];
  },
};
