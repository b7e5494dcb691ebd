/** Requests in OpenAI's shapes on the fake engine: its reply in their chunks, as the engine's own are. */
import type { Chat, Generation } from "../../www/worker/engine.js";
import type { ChatRequest, ChatStep, CompletionRequest, Counted } from "../../www/wire/generated.js";

const fail = (code: string, message: string) => Object.assign(new Error(message), { name: "SottoError", code });

/** A word is a token; the context holds a hundred. */
export function counted(request: ChatRequest): Counted {
  const words = request.messages.flatMap(({ content }) => String(content).split(" "));
  return { tokens: words.length, contextLength: 100, room: request.max_completion_tokens ?? 25 };
}

export class FakeChat implements Chat {
  #request: ChatRequest | CompletionRequest;
  #work: Generation;
  #begun = false;
  #over = false;
  #text = "";
  #tokens = 0;

  constructor(request: ChatRequest | CompletionRequest, generate: (text: string, most: number) => Generation) {
    this.#request = request;
    const isChat = "messages" in request;
    if (isChat && counted(request).tokens > 100) throw fail("prompt_too_long", "The prompt has too many tokens.");
    const text = isChat ? String(request.messages.at(-1)!.content) : String(request.prompt);
    this.#work = generate(text, request.max_tokens ?? 1000);
  }

  async next(): Promise<ChatStep[] | undefined> {
    if (this.#over) return undefined;
    const { stream } = this.#request;
    if (!this.#begun) {
      this.#begun = true;
      return stream ? [this.#part({ role: "assistant", content: "" }, null)] : [];
    }
    const step = (await this.#work.next())!;
    if ("progress" in step) return [step];
    const { chunk } = step;
    this.#text += chunk.text;
    this.#tokens += chunk.tokens.length;
    this.#over = chunk.finishReason !== undefined;
    if (!stream) return this.#over ? [this.#whole(chunk.finishReason as "stop")] : [];
    if (!this.#over) return [this.#part({ content: chunk.text }, null)];
    const last = this.#part({}, chunk.finishReason as "stop");
    return this.#request.stream_options?.include_usage ? [last, this.#usage()] : [last];
  }

  cancel(): void {
    this.#work.cancel();
  }

  free(): void {
    this.#work.free();
  }

  #head = { id: "x-1", created: 1, model: "Fake" };

  #took = () => ({
    prompt_tokens: 3,
    completion_tokens: this.#tokens,
    total_tokens: 3 + this.#tokens,
    prompt_tokens_details: { cached_tokens: 0 },
  });

  #part(delta: { role?: "assistant"; content?: string }, finish_reason: "stop" | null): ChatStep {
    const { content: text = "" } = delta;
    const choice = { index: 0, finish_reason };
    return "messages" in this.#request
      ? { chunk: { object: "chat.completion.chunk", ...this.#head, choices: [{ ...choice, delta }] } }
      : { text: { object: "text_completion", ...this.#head, choices: [{ ...choice, text, logprobs: null }] as never } };
  }

  #usage(): ChatStep {
    return { chunk: { object: "chat.completion.chunk", ...this.#head, choices: [], usage: this.#took() } };
  }

  #whole(finish_reason: "stop"): ChatStep {
    const choice = { index: 0, finish_reason, logprobs: null };
    const message = { role: "assistant" as const, content: this.#text, refusal: null };
    const usage = this.#took();
    return "messages" in this.#request
      ? { completion: { object: "chat.completion", ...this.#head, choices: [{ ...choice, message }], usage } }
      : { text: { object: "text_completion", ...this.#head, choices: [{ ...choice, text: this.#text }], usage } };
  }
}
