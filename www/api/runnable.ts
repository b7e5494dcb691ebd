/** Functions as tools: how a model is told of one, and how one of its calls is run. */
import { written } from "./messages/shape.js";
import { bad, kind, meant, shown } from "../wire/check.js";
import { SottoError, aborted, said } from "../wire/errors.js";
import type { ChatToolCall, FunctionTool } from "../wire/openai.js";
import type { Message } from "../wire/protocol.js";

/** What a function is told beside its arguments. */
export interface ToolContext {
  /** The call's. */
  id: string;
  /** Fires when the caller stops the loop. */
  signal: AbortSignal;
  /** The new messages so far; the last one has the call. */
  messages: readonly Message[];
}

/** A function that the model may call. */
export interface RunnableTool {
  name: string;
  /** What it does, and when to call it. */
  description?: string;
  /** A JSON Schema of its arguments, an object's. */
  parameters?: object;
  strict?: boolean | null;
  /** Its result is told to the model: text as it is, anything else as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: the schema alone says what the arguments are.
  run(args: any, context: ToolContext): unknown;
}

/** As OpenAI's client has it: `function` is given what `parse` makes of the arguments' text, or else the text. */
export interface RunnableFunction {
  type: "function";
  function: {
    /** That of the function, where there is none. */
    name?: string | undefined;
    description?: string | undefined;
    parameters?: object | undefined;
    strict?: boolean | null | undefined;
    parse?: ((text: string) => unknown) | undefined;
    // biome-ignore lint/suspicious/noExplicitAny: what `parse` gives.
    function?: ((args: any, context: any, ...more: any[]) => unknown) | undefined;
    /** In the place of `function`; it is given an object. */
    run?: RunnableTool["run"] | undefined;
  };
}

export type AnyTool = RunnableTool | RunnableFunction;

/** What became of a call. */
export interface Called {
  /** The call's. */
  id: string;
  name: string;
  /** As the model wrote them. */
  arguments: string;
  /** What the model is told. */
  content: string;
  /** What the function gave. */
  result?: unknown;
  /** Why there is no result: what was thrown. */
  error?: unknown;
}

export interface Runnable {
  tool: FunctionTool;
  run(text: string, context: ToolContext): unknown;
}

/** The tools of a request. Throws `bad_option`. */
export function readTools(tools: unknown): Runnable[] {
  if (!Array.isArray(tools)) throw bad(`tools is ${shown(tools)}`, "a list of {name, parameters, run}");
  const read = tools.map((tool, i) => readTool(tool, `tools[${i}]`));
  const names = read.map(({ tool }) => tool.function.name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw bad(`Two tools are named ${shown(twice)}`, "each a name of its own");
  return read;
}

/** What OpenAI's helpers (`zodFunction`) put beside a tool. */
interface Helped {
  $callback?: unknown;
  $parseRaw?: unknown;
}

function readTool(given: unknown, place: string): Runnable {
  if (kind(given) !== "object") throw bad(`${place} is ${shown(given)}`, "{name, parameters, run}");
  const { $callback, $parseRaw } = given as Helped;
  const isWrapped = kind((given as RunnableFunction).function) === "object";
  const own = (isWrapped ? (given as RunnableFunction).function : given) as RunnableFunction["function"];
  const helped = { ...own, function: $callback, parse: $parseRaw } as RunnableFunction["function"];
  const inner = typeof $callback === "function" ? helped : own;
  refuseMisspelt(isWrapped ? `${place}.function` : place, inner);
  const { description, parameters, strict, parse, run = inner.function } = inner;
  if (typeof run !== "function") throw bad(`${place}.run is ${shown(run)}`, "a function");
  if (parse !== undefined && typeof parse !== "function") throw bad(`${place}.parse is ${shown(parse)}`, "a function");
  const name = inner.name ?? inner.function?.name;
  if (typeof name !== "string" || name === "") throw bad(`${place}.name is ${shown(name)}`, "its name");
  if (description !== undefined && typeof description !== "string")
    throw bad(`${place}.description is ${shown(description)}`, "text");
  if (parameters !== undefined && kind(parameters) !== "object")
    throw bad(`${place}.parameters is ${shown(parameters)}`, "a JSON Schema, an object");
  const wantsText = !parse && run === inner.function;
  return {
    tool: {
      type: "function",
      function: {
        name,
        ...(description !== undefined && { description }),
        ...(parameters !== undefined && { parameters: parameters as Record<string, unknown> }),
        ...(strict !== undefined && strict !== null && { strict }),
      },
    },
    run: async (text, context) =>
      run.call(inner, parse ? await parse(text) : wantsText ? text : argumentsOf(text), context),
  };
}

const MEMBERS = {
  name: true,
  description: true,
  parameters: true,
  strict: true,
  parse: true,
  function: true,
  run: true,
} as const;

/** A tool may hold what it likes, such as its state; but not a name that misses one of these by little. */
function refuseMisspelt(place: string, tool: object): void {
  for (const name of Object.keys(tool)) {
    const near = Object.hasOwn(MEMBERS, name) ? undefined : meant(name, MEMBERS);
    if (near && !(near in tool)) throw new SottoError("bad_option", `${place} has ${name}; did you mean ${near}?`);
  }
}

/** The arguments of a call, which are a text of JSON. */
function argumentsOf(text: string): object {
  let value: unknown;
  try {
    value = text.trim() === "" ? {} : JSON.parse(text);
  } catch (cause) {
    throw new SottoError("bad_option", `The arguments are not JSON: ${(cause as Error).message}.`, { cause });
  }
  if (kind(value) !== "object") throw bad(`The arguments are ${shown(value)}`, "an object");
  return value as object;
}

/** Runs a call, if it is `whole`. Never throws: what fails is told to the model, as `{"error": …}`. */
export async function run(
  call: ChatToolCall,
  runnable: readonly Runnable[],
  whole: boolean,
  signal: AbortSignal,
  messages: readonly Message[],
): Promise<Called> {
  const { name, text } =
    call.type === "function"
      ? { name: call.function.name, text: call.function.arguments }
      : { name: call.custom.name, text: call.custom.input };
  const called = { id: call.id, name, arguments: text };
  try {
    if (!whole) throw new SottoError("aborted", "The reply was cut before the call was whole; it was not run.");
    const found = runnable.find(({ tool }) => tool.function.name === name);
    if (!found) {
      const names = runnable.map(({ tool }) => tool.function.name).join(", ");
      throw bad(`There is no tool ${shown(name)}`, names || "an answer without one");
    }
    const context = { id: call.id, signal, messages: [...messages] };
    const result = await orAborted(async () => found.run(text, context), signal);
    return { ...called, content: written(result), result };
  } catch (error) {
    return { ...called, content: JSON.stringify({ error: words(error) }), error };
  }
}

/** Those of what was thrown, whatever it is. */
function words(thrown: unknown): string {
  try {
    const { message } = Object(thrown) as { message?: unknown };
    return typeof message === "string" ? message : String(thrown);
  } catch {
    return said(thrown);
  }
}

/** The end of the work, or the signal: whichever comes first. */
async function orAborted<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) throw aborted("The call", signal);
  let stop = () => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(aborted("The call", signal));
  });
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work(), stopped]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
