/** What a stranger's server sends, as the parts of a reply: what is none of it is left out. */
import type { ChatCompletionChunk } from "sotto";

/** The longest words of a server that are shown. */
const SHOWN = 200;

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** Texts come as they are, or in OpenAI's list of parts. */
function text(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return Array.isArray(value) ? value.map((part) => text(Object(part).text) ?? "").join("") : undefined;
}

/** The words of an error, if there are any, short. */
export function wordsOf(error: unknown): string {
  const said = text(Object(error).message ?? error) ?? "";
  return said.length > SHOWN ? `${said.slice(0, SHOWN)}…` : said;
}

/** Reads the parts of one reply. Its calls are counted from 0 on, whatever the server calls them. */
export function reader(): (sent: unknown) => ChatCompletionChunk {
  const places: unknown[] = [];
  const callOf = (sent: unknown) => {
    if (Object(sent) !== sent) return [];
    const { index, id, function: called } = sent as Record<string, unknown>;
    const known = places.indexOf(index);
    const at = known < 0 ? places.push(index) - 1 : known;
    const { name, arguments: given } = Object(called);
    const own = text(id) ?? (known < 0 ? `call-${at}` : undefined);
    return { index: at, id: own, function: { name: text(name), arguments: text(given) } };
  };
  const choiceOf = (sent: unknown, index: number) => {
    const { delta, finish_reason, logprobs } = Object(sent);
    const { content, reasoning_content, tool_calls } = Object(delta);
    const calls = list(tool_calls).flatMap(callOf);
    return {
      index,
      delta: {
        content: text(content),
        reasoning_content: text(reasoning_content),
        ...(calls[0] && { tool_calls: calls }),
      },
      finish_reason: text(finish_reason) ?? null,
      logprobs,
    };
  };
  return (sent) => {
    const { choices, usage, dropped: _, ...rest } = Object(sent);
    const { prompt_tokens, completion_tokens } = Object(usage);
    // Numbers add up to one.
    const counted = Number.isFinite(prompt_tokens) && Number.isFinite(completion_tokens);
    return { ...rest, choices: list(choices).map(choiceOf), usage: counted ? usage : undefined };
  };
}
