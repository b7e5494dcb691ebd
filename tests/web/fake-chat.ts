/** Requests in OpenAI's shapes on the fake engine: its reply in their chunks, as the engine's own are. */
import type { Chat, Generation } from "../../www/worker/engine.js";
import type {
  ChatReplyMessage,
  ChatRequest,
  ChatStep,
  ChunkDelta,
  CompletionRequest,
  Counted,
  FinishDetails,
  FinishReason,
} from "../../www/wire/generated.js";
import { type Plan, plan } from "./fake-plan.js";

const fail = (code: string, message: string) => Object.assign(new Error(message), { name: "SottoError", code });

type Finish = "stop" | "tool_calls";

const CONTEXT = 100;

let answers = 0;

type Messages = ChatRequest["messages"];

const words = (messages: Messages) =>
  messages.flatMap((message) => ("content" in message ? String(message.content).split(" ") : [])).length;

const most = (request: ChatRequest | CompletionRequest) =>
  ("messages" in request ? request.max_completion_tokens : undefined) ?? request.max_tokens;

/** A word is a token; the context holds a hundred. */
export function counted(request: ChatRequest): Counted {
  const told = request.messages.map((message) => `${message.role}: ${"content" in message ? message.content : ""}`);
  return {
    text: told.join("\n"),
    tokens: words(request.messages),
    contextLength: CONTEXT,
    room: Math.min(most(request) ?? CONTEXT / 4, CONTEXT / 2),
  };
}

/** The places of the oldest turns that have to go. */
function trimmed(request: ChatRequest): number[] {
  const { messages, overflow } = request;
  const { room } = counted(request);
  const dropped: number[] = [];
  const kept = () => messages.filter((_, i) => !dropped.includes(i));
  while (overflow === "trim" && words(kept()) + room > CONTEXT) {
    const turns = messages.flatMap(({ role }, i) => (role === "user" && !dropped.includes(i) ? [i] : []));
    if (turns.length < 2) break;
    for (let i = turns[0]!; i < turns[1]!; i++) dropped.push(i);
  }
  return dropped;
}

export class FakeChat implements Chat {
  #request: ChatRequest | CompletionRequest;
  #work: Generation;
  #plan: Plan;
  #begun = false;
  #over = false;
  #text = "";
  #tokens = 0;
  #dropped: number[] = [];
  /** Tokens that the context has room for. */
  #room = Infinity;

  constructor(request: ChatRequest | CompletionRequest, generate: (text: string, most: number) => Generation) {
    this.#request = request;
    if ("messages" in request) {
      this.#dropped = trimmed(request);
      const tokens = words(request.messages.filter((_, i) => !this.#dropped.includes(i)));
      if (tokens > CONTEXT) throw fail("prompt_too_long", "The prompt has too many tokens.");
      this.#room = CONTEXT - tokens;
      this.#plan = plan(request);
    } else {
      this.#plan = { prompt: String(request.prompt) };
    }
    this.#work = generate(this.#plan.prompt, Math.min(most(request) ?? 1000, this.#room));
  }

  async next(): Promise<ChatStep[] | undefined> {
    if (this.#over) return undefined;
    const { stream } = this.#request;
    if (!this.#begun) {
      this.#begun = true;
      const { reasoning: reasoning_content } = this.#plan;
      if (!stream) return [];
      const first = this.#part({ role: "assistant", content: "" }, null, this.#told());
      return reasoning_content ? [first, this.#part({ reasoning_content }, null)] : [first];
    }
    const step = (await this.#work.next())!;
    if ("progress" in step) return [step];
    const { chunk } = step;
    this.#text += chunk.text;
    this.#tokens += chunk.tokens.length;
    this.#over = chunk.finishReason !== undefined;
    if (!this.#over)
      return stream && !this.#plan.calls ? [this.#part({ content: chunk.text }, null, this.#likely(chunk.text))] : [];
    const { calls, finish_reason } = this.#end(chunk.finishReason!);
    if (!stream) return [this.#whole(finish_reason, calls)];
    const told = calls.flatMap(({ id, function: { name, arguments: text } }, index) => [
      this.#part({ tool_calls: [{ index, id, type: "function", function: { name } }] }, null),
      ...(text.match(/.{1,5}/gs) ?? []).map((piece) =>
        this.#part({ tool_calls: [{ index, function: { arguments: piece } }] }, null),
      ),
    ]);
    const last = this.#part({}, finish_reason, this.#details(finish_reason));
    return this.#request.stream_options?.include_usage ? [...told, last, this.#usage()] : [...told, last];
  }

  sampled(): Uint32Array {
    return this.#work.sampled();
  }

  cancel(): void {
    this.#work.cancel();
  }

  free(): void {
    this.#work.free();
  }

  /** Each answer has another name. */
  #head = { id: `x-${++answers}`, created: answers, model: "Fake" };

  #took = () => ({
    prompt_tokens: 3,
    completion_tokens: this.#tokens,
    total_tokens: 3 + this.#tokens,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: this.#plan.reasoning ? 3 : 0 },
  });

  /** A token's probabilities, where they are asked for: 4 in 5, or 1 in 10 where it is long. */
  #likely(token: string) {
    if (!this.#request.logprobs) return {};
    const one = (token: string, p: number) => ({ token, bytes: null, logprob: Math.log(p) });
    const chosen = one(token, token.length > 8 ? 0.1 : 0.8);
    return { logprobs: { content: [{ ...chosen, top_logprobs: [one(" other", 0.15), chosen] }], refusal: null } };
  }

  #told = () => (this.#dropped.length > 0 ? { dropped: this.#dropped } : {});

  #details(finish_reason: string): { finish_details?: FinishDetails } {
    if (finish_reason !== "length") return {};
    return { finish_details: { type: this.#tokens >= this.#room ? "context_full" : "max_tokens" } };
  }

  /** The calls, as far as they were written when a limit came. */
  #end(reason: FinishReason) {
    const calls = (this.#plan.calls ?? []).map(([name, text], i) => ({
      id: `call_${i}`,
      type: "function" as const,
      function: { name, arguments: reason === "stop" ? text : text.slice(0, -1) },
    }));
    const finish_reason: Finish = reason === "stop" && calls.length > 0 ? "tool_calls" : (reason as "stop");
    return { calls, finish_reason };
  }

  #part(delta: ChunkDelta, finish_reason: Finish | null, more: object = {}): ChatStep {
    const { content: text = "" } = delta;
    const { dropped, ...end } = more as { dropped?: number[] };
    const choice = { index: 0, finish_reason, ...end };
    const head = { ...this.#head, ...(dropped && { dropped }) };
    return "messages" in this.#request
      ? { chunk: { object: "chat.completion.chunk", ...head, choices: [{ ...choice, delta }] } }
      : { text: { object: "text_completion", ...head, choices: [{ ...choice, text, logprobs: null }] as never } };
  }

  #usage(): ChatStep {
    const rest = { ...this.#head, choices: [], usage: this.#took() };
    return "messages" in this.#request
      ? { chunk: { object: "chat.completion.chunk", ...rest } }
      : { text: { object: "text_completion", ...rest } };
  }

  #whole(finish_reason: Finish, tool_calls: NonNullable<ChatReplyMessage["tool_calls"]>): ChatStep {
    const choice = { index: 0, finish_reason, logprobs: null, ...this.#details(finish_reason) };
    const { reasoning } = this.#plan;
    const message: ChatReplyMessage = {
      role: "assistant",
      content: tool_calls.length > 0 ? null : this.#text,
      refusal: null,
      ...(reasoning && { reasoning_content: reasoning }),
      ...(tool_calls.length > 0 && { tool_calls }),
    };
    const rest = { ...this.#head, ...this.#told(), usage: this.#took() };
    return "messages" in this.#request
      ? { completion: { object: "chat.completion", ...rest, choices: [{ ...choice, message }] } }
      : { text: { object: "text_completion", ...rest, choices: [{ ...choice, text: this.#text }] as never } };
  }
}
