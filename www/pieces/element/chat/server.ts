/** A server of the page's choice, as a conversation's model: for what the tab is too small for. */
import type { ChatCompletionChunk, CreateChat, CreateStream } from "sotto";
import { EventSourceParserStream } from "eventsource-parser/stream";
import { type Asking, addressOf, ask, headersOf, parsed, type Server } from "../../shared/server.js";
import { reader, wordsOf } from "./parts.js";
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
    const why = "check the connection, and that it allows other sites and sends to none";
    throw told("network", `${url.host} was not reached; ${why}.`, cause);
  }
  // A page or JSON is no stream of events; the body of a failure may say why.
  if (answer.ok && !/json|html/.test(answer.headers.get("content-type") ?? "") && answer.body) return answer;
  const { error } = Object(parsed(await answer.text().catch(() => "")));
  if (answer.ok && !error) throw none(url.host);
  const why = wordsOf(error);
  throw told("http", `${url.host} answered with status ${answer.status}${why && `: ${why}`}`);
}

/** The longest event that is read, in characters. */
const MOST = 1 << 22;

const told = (code: string, message: string, cause?: unknown) => Object.assign(new Error(message, { cause }), { code });
const none = (host: string) => told("http", `${host} did not answer with a streamed chat; check its address.`);
const broken = (host: string, cause?: unknown) => told("network", `${host} broke off its reply; try again.`, cause);

/** The parts of a reply, of server-sent events; where `signal` fires it ends, as a reply that was stopped. */
async function* chunksOf(answer: Response, host: string, signal?: AbortSignal): AsyncGenerator<ChatCompletionChunk> {
  const events = answer
    .body!.pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream({ maxBufferSize: MOST }));
  const incoming = events.getReader();
  const read = reader();
  let isBegun = false;
  let isOver = false;
  try {
    for (;;) {
      const { done, value } = await incoming.read();
      if (done && isBegun && !isOver) throw broken(host);
      if (done || value.data === "[DONE]") {
        if (!isBegun) throw none(host);
        return;
      }
      const sent = JSON.parse(value.data);
      if (sent.error) throw told("http", `${host} broke off: ${wordsOf(sent.error)}`);
      const chunk = read(sent);
      isBegun ||= chunk.choices.length > 0;
      isOver ||= chunk.choices.some((choice) => choice.finish_reason);
      yield chunk;
    }
  } catch (thrown) {
    if (signal?.aborted) return;
    throw typeof Object(thrown).code === "string" ? thrown : broken(host, thrown);
  } finally {
    void incoming.cancel().catch(() => {});
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
