/** One reply of the model, in pieces. */
import type { ChatCompletionChunk, Completion, CompletionUsage, Message, Model, Progress } from "sotto";
import type { Settings } from "./settings.js";

/** What is new; each member where there is some. */
export interface Piece {
  text?: string;
  thought?: string;
  usage?: CompletionUsage;
  /** Which limit ended the reply. */
  limit?: "max_tokens" | "context_full";
  /** The places of messages that the model does not see any more: there was no room. */
  dropped?: number[];
}

interface Options {
  signal: AbortSignal;
  onProgress: (progress: Progress) => void;
}

export async function* ask(
  model: Model,
  messages: readonly { role: string; content: string }[],
  { temperature, maxTokens }: Settings,
  options: Options,
): AsyncGenerator<Piece, void, undefined> {
  const { chat, completions, info } = model;
  const stream = { temperature, stream: true, stream_options: { include_usage: true } } as const;
  // A base model has no chat template: it goes on writing the text.
  const parts: AsyncIterable<ChatCompletionChunk | Completion> = info.chatTemplate
    ? await chat.completions.create(
        { ...stream, messages, max_completion_tokens: maxTokens, overflow: "trim" },
        options,
      )
    : await completions.create({ ...stream, prompt: messages.at(-1)?.content ?? "", max_tokens: maxTokens }, options);
  for await (const part of parts) {
    const piece: Piece = {};
    const [choice] = part.choices;
    if (choice) {
      const { content, reasoning_content } = "delta" in choice ? choice.delta : { content: choice.text };
      if (content) piece.text = content;
      if (reasoning_content) piece.thought = reasoning_content;
      if (choice.finish_details) piece.limit = choice.finish_details.type;
    }
    if (part.usage) piece.usage = part.usage;
    if ("dropped" in part && part.dropped) piece.dropped = part.dropped;
    yield piece;
  }
}

/** Tokens of the context that a reply finds free. */
export function room(model: Model, { maxTokens }: Settings): number {
  return Math.min(maxTokens, Math.floor(model.info.contextLength / 2));
}

/** As much of the beginning of the last message as leaves room for a reply; cut between words where there are any. */
export async function shortened(model: Model, messages: readonly Message[], text: string, settings: Settings) {
  const fits = async (length: number) => {
    const asked = [...messages, { role: "user", content: text.slice(0, length) }];
    return (await model.countTokens(asked)) + room(model, settings) <= model.info.contextLength;
  };
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (await fits(middle)) low = middle;
    else high = middle - 1;
  }
  if (low === text.length) return text;
  const cut = text.slice(0, low);
  return /\s/.test(cut) ? cut.replace(/\s+\S*$/, "") : cut;
}
