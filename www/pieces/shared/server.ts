/** A server with OpenAI's API, of a page's choice. */

/** As browsers have it. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

export interface Server {
  /** Its address, with `/v1` where it has that. */
  baseURL: string | URL;
  /** Headers of each request, such as a key. Whoever sees the page can read them. */
  headers?: HeadersInit | (() => HeadersInit | Promise<HeadersInit>);
  /** The name of the model there; by default the request's own. */
  model?: string;
  /** What it is asked with; by default the browser's. */
  fetch?: Fetch;
}

/** A request: its body is the text, JSON if it is one, or none where that is empty. */
export interface Asking {
  method: string;
  text: string;
  signal: AbortSignal | undefined;
}

/** `path` follows `/v1`. */
export const addressOf = ({ baseURL }: Pick<Server, "baseURL">, path: string) =>
  `${String(baseURL).replace(/\/+$/, "")}${path}`;

/** Asks for the model that the server has under its own name. Fails as `fetch` does. */
export async function ask(server: Server, url: string | URL, { method, text, signal }: Asking): Promise<Response> {
  const { model, fetch: own } = server;
  const sent = await headersOf(server);
  if (text !== "" && !sent.has("content-type")) sent.set("content-type", "application/json");
  const body = parsed(text);
  const isNamed = model !== undefined && typeof body === "object" && body !== null;
  return (own ?? globalThis.fetch)(url, {
    method,
    headers: sent,
    ...(text !== "" && { body: isNamed ? JSON.stringify({ ...body, model }) : text }),
    ...(signal && { signal }),
    // A page says where its words go, and they go nowhere else.
    redirect: "error",
  });
}

export const headersOf = async ({ headers }: Pick<Server, "headers">) =>
  new Headers(typeof headers === "function" ? await headers() : headers);

/** What is not JSON is `undefined`, as nothing is. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
