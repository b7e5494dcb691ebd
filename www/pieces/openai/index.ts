/**
 * A `fetch` that a loaded model answers, as a server with OpenAI's API would. Any client of that API runs in the tab by it:
 *
 *     import OpenAI from "openai";
 *     const client = new OpenAI({ fetch: createFetch(model), apiKey: "none", dangerouslyAllowBrowser: true });
 */
import type { Model } from "sotto";
import { type Held, sureModelOf } from "../shared/held.js";
import { addressOf, ask, type Fetch, parsed, type Server } from "../shared/server.js";
import { orAborted } from "../shared/signal.js";
import { failed, ROUTES, refused } from "./routes.js";

export type { Fetch };

/** What is asked, before it is answered. */
export interface Asked {
  /** What follows `/v1` in the address, such as `/chat/completions`. */
  path: string;
  /** The request's JSON; `undefined` of one that has no body. */
  body: unknown;
  /** The model, if there is one. */
  model: Model | undefined;
  /** Why there is none: what its load failed with. */
  error?: unknown;
}

/** A server of the page's choice. Headers of the client's own request are not sent there. */
export interface Fallback extends Server {
  /** Whether it answers this request; by default where there is no model to answer it. */
  when?: (asked: Asked) => boolean | Promise<boolean>;
}

/** Where a request goes. */
export interface Route {
  /** `tab`: nothing leaves the page. */
  to: "tab" | "server";
  path: string;
  /** Of the server. */
  url?: string;
}

export interface FetchOptions {
  /** A server for what the tab is too small for. Without it nothing ever leaves the page. */
  fallback?: Fallback;
  /** Called with each request's way before it is taken; awaited. What it throws ends the request. */
  onRoute?: (route: Route) => unknown;
}

/** The header that tells an answer's way: `tab`, or the server's address. */
export const ROUTE = "x-sotto-route";

/**
 * `model` may still be loading, or a function that gives it. Answers `/chat/completions`, `/completions`, `/embeddings`, `/models` and `/models/NAME`,
 * after `/v1` of any address; failures are OpenAI's error objects with their status. The request's `signal`
 * stops the model.
 */
export function createFetch(model: Held | undefined, options?: FetchOptions): Fetch {
  const { fallback, onRoute } = options ?? {};
  // That it failed is told to each request.
  Promise.resolve(model).catch(() => {});
  const answered = async (input: string | URL | Request, init: RequestInit, signal: AbortSignal | undefined) => {
    const request = await read(input, init, signal);
    const asked = await withModel(model, request);
    const there = fallback && (await (fallback.when ?? isAlone)(asked));
    signal?.throwIfAborted();
    if (there) {
      const url = addressOf(fallback, `${request.path}${request.search}`);
      await onRoute?.({ to: "server", path: request.path, url });
      return marked(await ask(fallback, url, request), url);
    }
    await onRoute?.({ to: "tab", path: request.path });
    return marked(await answer(asked, request), "tab");
  };
  return async (input, init = {}) => {
    const signal = init.signal ?? givenOf(input)?.signal;
    signal?.throwIfAborted();
    // Whatever is waited for, a request that is stopped ends.
    return orAborted(answered(input, init, signal), signal);
  };
}

const isAlone = ({ model }: Asked) => model === undefined;

interface Read {
  method: string;
  path: string;
  search: string;
  text: string;
  signal: AbortSignal | undefined;
}

const givenOf = (input: string | URL | Request) => (typeof input === "object" && "url" in input ? input : undefined);

async function read(input: string | URL | Request, init: RequestInit, signal: AbortSignal | undefined): Promise<Read> {
  const given = givenOf(input);
  const { pathname, search } = new URL(given?.url ?? String(input), globalThis.location?.href ?? "http://localhost");
  return {
    method: (init.method ?? given?.method ?? "GET").toUpperCase(),
    path: pathname.replace(/^.*\/v1(?=\/)/, "").replace(/\/+$/, ""),
    search,
    text: init.body != null ? await new Response(init.body).text() : ((await given?.text()) ?? ""),
    signal,
  };
}

async function withModel(held: Held | undefined, { path, text, signal }: Read): Promise<Asked> {
  const body = parsed(text);
  try {
    return { path, body, model: await (held && sureModelOf(held, signal)) };
  } catch (error) {
    return { path, body, model: undefined, error };
  }
}

async function answer({ path, body, model, error }: Asked, { method, text, signal }: Read): Promise<Response> {
  const [wanted, route] = Object.entries(ROUTES).find(([pattern]) => matches(pattern, path)) ?? [];
  if (!wanted || !route)
    return refused(404, `There is no ${path || "/"} here; there are ${Object.keys(ROUTES).join(", ")}.`);
  if (route.method !== method) return refused(405, `${path} takes ${route.method}, not ${method}.`);
  if (route.method === "POST" && (typeof body !== "object" || body === null || Array.isArray(body)))
    return refused(400, text === "" ? `${path} wants a body of JSON.` : `The body of ${path} is no object of JSON.`);
  if (!model) return error ? failed(error) : refused(503, "No model is loaded.");
  try {
    return await route.answer(model, (body ?? {}) as Record<string, unknown>, { signal, name: nameOf(path) });
  } catch (thrown) {
    // As `fetch` does: a request that was stopped has no answer.
    signal?.throwIfAborted();
    return failed(thrown, body);
  }
}

const matches = (pattern: string, path: string) =>
  pattern.endsWith("/*") ? path.startsWith(pattern.slice(0, -1)) : path === pattern;

/** What follows the first name of a path. */
function nameOf(path: string): string {
  const name = path.replace(/^\/[^/]+\/?/, "");
  try {
    return decodeURIComponent(name);
  } catch {
    // Not every % begins a code.
    return name;
  }
}

/** The answer with a header that tells its way; those of the network cannot be written. */
function marked({ body, status, statusText, headers }: Response, route: string): Response {
  const own = new Headers(headers);
  own.set(ROUTE, route);
  return new Response(body, { status, statusText, headers: own });
}
