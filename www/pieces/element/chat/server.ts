/** A server of the page's choice, as a conversation's model: for what the tab is too small for. */
import type { ChatCompletionChunk, CreateChat, CreateStream } from "sotto";
import { EventSourceParserStream } from "eventsource-parser/stream";
import { type Asking, addressOf, ask, headersOf, parsed, type Server } from "../../shared/server.js";
import type { ChatModel } from "./session.js";

/** A server with OpenAI's API. */
export interface ChatFallback extends Omit<Server, "fetch"> {
  /**
   * Whether it answers this message although the model is in the tab. Without it the server is asked once someone has
   * chosen it: that is offered where the model does not fit or did not load.
   */
  when?: (asked: { text: string; model: ChatModel }) => boolean | Promise<boolean>;
}

/** Who answers: a server by its host, or the tab. */
export type Told = (host: string | undefined) => void;

export const hostOf = ({ baseURL }: ChatFallback) => new URL(baseURL, globalThis.document?.baseURI).host;

/** Members of a request that only Sotto knows; a server may refuse them. */
const OURS = ["overflow"];

function serverOf(fallback: ChatFallback): CreateStream {
  return async (request, { signal, onAbort } = {}) => {
    const body = { ...request } as Record<string, unknown>;
    for (const name of OURS) delete body[name];
    const url = new URL(addressOf(fallback, "/chat/completions"), globalThis.document?.baseURI);
    // What fails in the page's own function is its own failure, not the server's.
    const server = { ...fallback, headers: await headersOf(fallback) };
    const answer = await reach(server, url, { method: "POST", text: JSON.stringify(body), signal });
    return chunksOf(answer, url.host, onAbort === "result" ? signal : undefined);
  };
}

async function reach(server: Server, url: URL, asking: Asking): Promise<Response> {
  let answer: Response;
  try {
    answer = await ask(server, url, asking);
  } catch (cause) {
    asking.signal?.throwIfAborted();
    throw told("network", `${url.host} was not reached; check the connection, and that it allows other sites.`, cause);
  }
  if (answer.ok && answer.body) return answer;
  const { error } = Object(parsed(await answer.text().catch(() => "")));
  const said = error?.message ?? error;
  const why = typeof said === "string" ? `: ${said}` : "";
  throw told("http", `${url.host} answered with status ${answer.status}${why}`);
}

const told = (code: string, message: string, cause?: unknown) => Object.assign(new Error(message, { cause }), { code });

/** The parts of a reply, of server-sent events; where `signal` fires it ends, as a reply that was stopped. */
async function* chunksOf(answer: Response, host: string, signal?: AbortSignal): AsyncGenerator<ChatCompletionChunk> {
  const events = answer.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  const reader = events.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || value.data === "[DONE]") return;
      const chunk = JSON.parse(value.data);
      if (chunk.error) throw told("http", `${host} broke off: ${chunk.error.message ?? JSON.stringify(chunk.error)}`);
      yield chunk;
    }
  } catch (thrown) {
    if (signal?.aborted) return;
    const isTold = typeof (thrown as { code?: unknown }).code === "string";
    throw isTold ? thrown : told("network", `${host} broke off its reply; try again.`, thrown);
  } finally {
    void reader.cancel().catch(() => {});
  }
}

/** The text of the last message that someone wrote. */
function lastOf({ messages }: { messages?: unknown }): string {
  const content = (Array.isArray(messages) ? messages : []).findLast(({ role }) => role === "user")?.content;
  return typeof content === "string" ? content : "";
}

/**
 * Asks `model` or, where it is none or `fallback.when` says so, the server. `onWay` hears of each request before it is sent.
 */
export function routed(model: ChatModel | undefined, fallback: ChatFallback, onWay: Told): ChatModel {
  const server = serverOf(fallback);
  const goesThere = async (request: { messages?: unknown }) => {
    const there = !model || ((await fallback.when?.({ text: lastOf(request), model })) ?? false);
    onWay(there ? hostOf(fallback) : undefined);
    return there;
  };
  const create = async (request: CreateChat & { stream: true }, options: object) =>
    (await goesThere(request)) ? server(request, options) : model!.chat.completions.create(request, options);
  const runTools: ChatModel["runTools"] = async (request, options) => {
    const there = await goesThere(request);
    if (!there && model!.runTools) return model!.runTools(request, options);
    const own: CreateStream = there ? server : (asked, more) => model!.chat.completions.create(asked, more);
    const { runTools } = await import("sotto");
    return runTools(own, request, options);
  };
  const info = model?.info ?? ({ name: fallback.model ?? hostOf(fallback), chatTemplate: true } as ChatModel["info"]);
  const { completions } = model ?? {};
  return {
    info,
    runTools,
    chat: { completions: { create } },
    ...(completions && { completions }),
  } as unknown as ChatModel;
}
