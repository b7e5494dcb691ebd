/**
 * The messages of the Vercel AI SDK (npm `ai`): what it sends to models (`ModelMessage`) and what it keeps for pages
 * (`UIMessage`). Its own `convertToModelMessages` makes the one of the other; what it leaves out is left out here.
 */
import { PLAIN, type PartReader, SKIP, type Shape, THOUGHT, Turn, readParts, refuse } from "./shape.js";

interface Part {
  type: string;
  toolCallId: string;
  toolName: string;
}

/** `value` is what a tool gave, its kind `type`. */
interface Output {
  type: string;
  value?: unknown;
  reason?: string;
}

const DENIED = "The call was not allowed.";

/** Texts by the kind of a tool's output; anything else is JSON. */
const OUTPUTS: Record<string, (output: Output) => unknown> = {
  content: ({ value }) => (value as { text?: string }[]).map(({ text }) => text ?? "").join(""),
  "execution-denied": ({ reason }) => reason ?? DENIED,
};

const given = (output: Output) => (OUTPUTS[output.type] ?? (({ value }) => value))(output);

/** Of a `ModelMessage`. Older versions write `args` and `result`. */
const MODEL: Record<string, PartReader> = {
  text: PLAIN,
  reasoning: THOUGHT,
  "tool-call": ({ toolCallId, toolName, input, args }: Part & { input?: unknown; args?: unknown }, turn) =>
    turn.call(toolCallId, toolName, input ?? args),
  "tool-result": ({ toolCallId, output, result }: Part & { output?: Output; result?: unknown }, turn) =>
    turn.result(toolCallId, output ? given(output) : result),
  "tool-approval-request": SKIP,
  "tool-approval-response": SKIP,
  custom: SKIP,
};

/** Types of parts that OpenAI's messages do not have. */
const OWN = [...Object.keys(MODEL).filter((type) => type !== "text"), "reasoning-file", "image"];

export const modelMessage: Shape = {
  knows: (message) => {
    const { content } = message as { content?: unknown };
    return Array.isArray(content) && content.some((part) => OWN.includes(part?.type) || part?.mediaType !== undefined);
  },
  read({ role, content }: { role: string; content: Part[] }, place) {
    const turn = new Turn();
    readParts(content, MODEL, turn, `${place}.content`);
    return role === "assistant" || role === "tool" ? turn.assistant() : [{ role, content: turn.text }];
  },
};

interface ToolPart extends Part {
  state: string;
  input?: unknown;
  rawInput?: unknown;
  output?: unknown;
  errorText?: string;
  approval?: { approved?: boolean; reason?: string };
}

/** What a call has given, by its state; one that is still written is no call yet. */
const STATES: Record<string, (part: ToolPart, turn: Turn) => void> = {
  "output-available": ({ toolCallId, output }, turn) => turn.result(toolCallId, output),
  "output-error": ({ toolCallId, errorText }, turn) => turn.result(toolCallId, errorText ?? "The call failed."),
  "output-denied": ({ toolCallId, approval }, turn) => turn.result(toolCallId, approval?.reason ?? DENIED),
  "approval-responded": ({ toolCallId, approval }, turn) => {
    if (approval?.approved === false) turn.result(toolCallId, approval.reason ?? DENIED);
  },
};

/** A call of a tool, `tool-NAME` or `dynamic-tool`. */
const TOOL: PartReader = (part: ToolPart, turn) => {
  if (part.state === "input-streaming") return;
  turn.call(part.toolCallId, part.toolName ?? part.type.slice("tool-".length), part.input ?? part.rawInput);
  STATES[part.state]?.(part, turn);
};

/** Of a `UIMessage`: `data-NAME` and sources are the page's alone. */
const UI: Record<string, PartReader> = { text: PLAIN, reasoning: THOUGHT, custom: SKIP, "dynamic-tool": TOOL };

const uiOther: PartReader = (part: Part, turn, place) => {
  const { type } = part;
  if (type.startsWith("tool-")) return TOOL(part as never, turn, place);
  if (!["data-", "source-"].some((start) => type.startsWith(start))) refuse(part as never, turn, place);
};

export const uiMessage: Shape = {
  knows: (message) => {
    const { parts } = message as { parts?: unknown };
    return Array.isArray(parts) && parts.every((part) => typeof part?.type === "string");
  },
  read({ role, parts }: { role: string; parts: Part[] }, place) {
    // A step is what the model said before the results of its calls came.
    const steps = [new Turn()];
    const table: Record<string, PartReader> = { ...UI, "step-start": () => void steps.push(new Turn()) };
    const at =
      (read: PartReader): PartReader =>
      (part, _, where) =>
        read(part, steps.at(-1)!, where);
    const current = Object.fromEntries(Object.entries(table).map(([type, read]) => [type, at(read)]));
    readParts(parts, current, steps[0]!, `${place}.parts`, at(uiOther));
    if (role === "assistant") return steps.flatMap((turn) => turn.assistant());
    return [{ role, content: steps.map(({ text }) => text).join("") }];
  },
};
