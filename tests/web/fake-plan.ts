/** What the fake engine replies to a chat: a call where there are tools, JSON where a schema wants some, else an echo. */
import type { ChatRequest } from "../../www/wire/generated.js";
import type { FunctionTool } from "../../www/wire/openai.js";

export interface Plan {
  /** For the fake generation. */
  prompt: string;
  reasoning?: string;
  /** Name and arguments of each. */
  calls?: [name: string, text: string][];
}

interface Schema {
  type?: string;
  enum?: unknown[];
  properties?: Record<string, Schema>;
  items?: Schema;
}

/** A value that fits a plain schema. */
const SAMPLES: Record<string, (schema: Schema) => unknown> = {
  object: ({ properties = {} }) =>
    Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, sample(schema)])),
  array: ({ items = {} }) => [sample(items)],
  string: () => "Paris",
  number: () => 1,
  integer: () => 1,
  boolean: () => true,
};

function sample(schema: Schema): unknown {
  return schema.enum?.[0] ?? SAMPLES[schema.type ?? "object"]?.(schema) ?? null;
}

/** What a text must be like, by the type of `response_format`. */
const FORMATS: Record<string, (format: never) => string | undefined> = {
  json_schema: ({ json_schema }: { json_schema: { schema: Schema } }) => JSON.stringify(sample(json_schema.schema)),
  json_object: () => JSON.stringify({ city: "Paris" }),
  regex: ({ pattern }: { pattern: string }) => pattern.replace(/[()]/g, "").split("|")[0],
  grammar: () => "yes",
};

export function plan(request: ChatRequest): Plan {
  const { messages, tools = [], tool_choice, response_format, reasoning_effort } = request;
  const { reasoning } = request as { reasoning?: object };
  const thinks = (reasoning !== undefined || reasoning_effort) && reasoning_effort !== "none";
  const thought = thinks ? { reasoning: "Let me think." } : {};
  const last = messages.at(-1)!;
  const said = "content" in last ? String(last.content) : "";
  const offered = tool_choice === "none" ? [] : (tools as FunctionTool[]);
  const isForced = offered.length > 0 && tool_choice != null && tool_choice !== "auto" && !allows(tool_choice);
  if (last.role === "tool" && !isForced) {
    const from = messages.findLastIndex(({ role }) => role !== "tool") + 1;
    const results = messages.slice(from).map((message) => ("content" in message ? String(message.content) : ""));
    return { ...thought, prompt: `echo ${results.join(" ")}` };
  }
  if (isForced || (offered.length > 0 && !said.startsWith("echo "))) {
    const calls = said.startsWith("call ") ? written(said.slice("call ".length)) : [sampled(offered, tool_choice)];
    return { ...thought, calls, prompt: `echo ${JSON.stringify(calls)}` };
  }
  const text = FORMATS[response_format?.type ?? "text"]?.(response_format as never);
  return { ...thought, prompt: text === undefined ? said : `echo ${text}` };
}

const allows = (choice: ChatRequest["tool_choice"]) =>
  typeof choice === "object" && choice.type === "allowed_tools" && choice.allowed_tools.mode === "auto";

/** "weather {…} + time {…}". */
function written(text: string): [string, string][] {
  return text.split(" + ").map((call) => {
    const [, name, args] = call.match(/^(\S+) ?(.*)$/s)!;
    return [name!, args!];
  });
}

function sampled(tools: FunctionTool[], choice: ChatRequest["tool_choice"]): [string, string] {
  const named = typeof choice === "object" && choice.type === "function" ? choice.function.name : undefined;
  const tool = tools.find((tool) => tool.function.name === named) ?? tools[0]!;
  return [tool.function.name, JSON.stringify(sample((tool.function.parameters ?? {}) as Schema))];
}
