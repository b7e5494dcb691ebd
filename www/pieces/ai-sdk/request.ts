/** A call of the SDK as a request. */
import type {
  LanguageModelV3CallOptions,
  LanguageModelV3FilePart,
  LanguageModelV3Prompt,
  LanguageModelV3ToolChoice,
  SharedV3Warning,
} from "@ai-sdk/provider";
import { type AnyMessage, type ChatTool, type CreateChat, SottoError, type ToolChoice } from "sotto";
import { given } from "./reply.js";

/** Members of a request that the SDK has no name for, or that calls leave out. */
export type Defaults = Omit<CreateChat, "messages" | "stream" | "stream_options" | "n">;

export function requestOf(
  options: LanguageModelV3CallOptions,
  defaults: Defaults,
): { request: CreateChat; warnings: SharedV3Warning[] } {
  const warnings: SharedV3Warning[] = [];
  const { responseFormat: format } = options;
  const request: CreateChat = {
    ...defaults,
    ...given({
      max_completion_tokens: options.maxOutputTokens,
      temperature: options.temperature,
      top_p: options.topP,
      top_k: options.topK,
      presence_penalty: options.presencePenalty,
      frequency_penalty: options.frequencyPenalty,
      stop: options.stopSequences,
      seed: options.seed,
      reasoning_effort: effortOf(options),
      tools: toolsOf(options, warnings),
      tool_choice: options.tools?.length ? choiceOf(options.toolChoice) : undefined,
      response_format: format?.type === "json" ? formatOf(format) : undefined,
    }),
    ...given(options.providerOptions?.sotto),
    messages: messagesOf(options.prompt),
  };
  return { request, warnings };
}

/** What version 7 of the SDK says beside what the specification has: models of this one are given it, too. */
interface Newer extends LanguageModelV3CallOptions {
  reasoning?: "provider-default" | CreateChat["reasoning_effort"];
}

function effortOf({ reasoning }: Newer): CreateChat["reasoning_effort"] {
  return reasoning === "provider-default" ? undefined : reasoning;
}

type Json = Extract<LanguageModelV3CallOptions["responseFormat"], { type: "json" }>;

function formatOf({ schema, name = "answer", description }: Json): CreateChat["response_format"] {
  if (!schema) return { type: "json_object" };
  return { type: "json_schema", json_schema: { name, schema: schema as never, ...given({ description }) } };
}

function toolsOf({ tools }: LanguageModelV3CallOptions, warnings: SharedV3Warning[]): ChatTool[] | undefined {
  const taken = tools?.flatMap((tool): ChatTool[] => {
    if (tool.type !== "function") {
      const details = "It runs at its provider; models here call functions of the page.";
      warnings.push({ type: "unsupported", feature: `the tool ${tool.id}`, details });
      return [];
    }
    const { name, description, inputSchema, strict } = tool;
    const parameters = inputSchema as Record<string, unknown>;
    return [{ type: "function", function: { name, ...given({ description, strict }), parameters } }];
  });
  return taken?.length ? taken : undefined;
}

function choiceOf(choice: LanguageModelV3ToolChoice | undefined): ToolChoice | undefined {
  return choice?.type === "tool" ? { type: "function", function: { name: choice.toolName } } : choice?.type;
}

/** The package reads the SDK's messages; what is left are files of text, which it does not. */
function messagesOf(prompt: LanguageModelV3Prompt): AnyMessage[] {
  return prompt.map((message): AnyMessage => {
    if (message.role === "system") return { role: "system", content: message.content };
    if (message.role !== "user") return { role: message.role, content: message.content };
    const content = message.content.map((part) =>
      part.type === "file" && TEXT.test(part.mediaType) ? { type: "text" as const, text: textOf(part) } : part,
    );
    const texts = content.flatMap((part) => (part.type === "text" ? [part.text] : []));
    return { role: "user", content: texts.length === content.length ? texts.join("") : content };
  });
}

const TEXT = /^(text(\/|$)|application\/(json|xml|yaml))/;

/** Of version 7: a file that is a text already. */
interface TextData {
  type: "text";
  text: string;
}

/** A file's text, its bytes, or base64 of them; its name stands before it. */
function textOf({ data, filename }: LanguageModelV3FilePart): string {
  const text = read(data as Exclude<typeof data, URL> | TextData);
  return filename ? `${filename}:\n${text}\n` : `${text}\n`;
}

/** The SDK fetches what is an address. */
function read(data: string | Uint8Array | TextData): string {
  if (typeof data === "object" && "text" in data) return data.text;
  return new TextDecoder().decode(typeof data === "string" ? bytesOf(data) : data);
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  } catch (cause) {
    throw new SottoError("bad_option", "The data of a file is no base64; give that, or its bytes.", { cause });
  }
}
