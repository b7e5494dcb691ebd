/**
 * The parts of a request that the engine reads as they come, in the shapes of OpenAI's API: messages, tools, and how they
 * are to be used. Its template or its own checks say what is wrong with one; the rest of a request is in `generated.ts`.
 */

export interface TextPart {
  type: "text";
  text: string;
}

export interface RefusalPart {
  type: "refusal";
  refusal: string;
}

/** What a user's message may hold. Models here read text: other parts are refused by name. */
export type ContentPart =
  | TextPart
  | { type: "image_url"; image_url: { url: string; detail?: "auto" | "low" | "high" } }
  | { type: "input_audio"; input_audio: { data: string; format: "wav" | "mp3" } }
  | { type: "file"; file: { file_data?: string; file_id?: string; filename?: string } };

export interface InstructionMessage {
  role: "system" | "developer";
  content: string | TextPart[];
  name?: string;
}

export interface UserMessage {
  role: "user";
  content: string | ContentPart[];
  name?: string;
}

export interface AssistantMessage {
  role: "assistant";
  content?: string | (TextPart | RefusalPart)[] | null;
  /** Not OpenAI's: what the model thought before, for templates that show it. */
  reasoning_content?: string;
  refusal?: string | null;
  tool_calls?: ChatToolCall[];
  function_call?: { name: string; arguments: string } | null;
  audio?: { id: string } | null;
  name?: string;
}

export interface ToolMessage {
  role: "tool";
  content: string | TextPart[];
  tool_call_id: string;
}

export interface FunctionMessage {
  role: "function";
  content: string | null;
  name: string;
}

export type ChatMessage = InstructionMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage;

/** A call of a tool; `arguments` is a text of JSON. */
export type ChatToolCall =
  | { id: string; type: "function"; function: { name: string; arguments: string } }
  | { id: string; type: "custom"; custom: { name: string; input: string } };

export interface FunctionTool {
  type: "function";
  function: {
    name: string;
    description?: string;
    /** A JSON Schema. */
    parameters?: Record<string, unknown>;
    strict?: boolean | null;
  };
}

export interface CustomTool {
  type: "custom";
  custom: {
    name: string;
    description?: string;
    format?: { type: "text" } | { type: "grammar"; grammar: { definition: string; syntax: "lark" | "regex" } };
  };
}

export type ChatTool = FunctionTool | CustomTool;

export type ToolChoice =
  | "none"
  | "auto"
  | "required"
  | { type: "function"; function: { name: string } }
  | { type: "custom"; custom: { name: string } }
  | { type: "allowed_tools"; allowed_tools: { mode: "auto" | "required"; tools: { [key: string]: unknown }[] } };

/** What a reply must be, beyond what OpenAI's API can say. */
export type SottoFormat =
  /** What a regular expression matches as a whole. */
  | { type: "regex"; pattern: string }
  /** What a grammar derives; `gbnf` is llama.cpp's way to write one. */
  | { type: "grammar"; grammar: string; syntax: "lark" | "gbnf" };

export type ResponseFormat =
  | { type: "text" }
  | { type: "json_object" }
  | {
      type: "json_schema";
      json_schema: { name: string; description?: string; schema?: { [key: string]: unknown }; strict?: boolean | null };
    };
