/** What the API's paths are answered with. */
import { type Model, OpenAIError, SottoError } from "sotto";

interface Call {
  signal: AbortSignal | undefined;
  /** What follows the path's first name. */
  name: string;
}

interface Endpoint {
  method: "GET" | "POST";
  answer(model: Model, body: Record<string, unknown>, call: Call): Response | Promise<Response>;
}

/** By their paths; `*` is a name. */
export const ROUTES: Record<string, Endpoint> = {
  "/chat/completions": {
    method: "POST",
    answer: async (model, body, { signal }) =>
      told(await model.chat.completions.create(body as never, { signal }), signal),
  },
  "/completions": {
    method: "POST",
    answer: async (model, body, { signal }) => told(await model.completions.create(body as never, { signal }), signal),
  },
  "/embeddings": {
    method: "POST",
    answer: async (model, body, { signal }) => Response.json(await model.embeddings.create(body as never, { signal })),
  },
  "/models": { method: "GET", answer: (model) => Response.json({ object: "list", data: [card(model)] }) },
  "/models/*": {
    method: "GET",
    answer: (model, _, { name }) =>
      name === model.info.name
        ? Response.json(card(model))
        : refused(404, `The model "${name}" is not the one that is loaded.`, "model_not_found"),
  },
};

const card = ({ info }: Model) => ({ id: info.name, object: "model", created: 0, owned_by: "sotto" });

/** An answer, or the events of a stream of them. */
function told(given: object, signal: AbortSignal | undefined): Response {
  if (!(Symbol.asyncIterator in given)) return Response.json(given);
  const parts = (given as AsyncIterable<object>)[Symbol.asyncIterator]();
  const text = new TextEncoder();
  const event = (data: string) => text.encode(`data: ${data}\n\n`);
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await parts.next();
        controller.enqueue(event(done ? "[DONE]" : JSON.stringify(value)));
        if (done) controller.close();
      } catch (thrown) {
        if (signal?.aborted) return controller.error(signal.reason);
        controller.enqueue(event(JSON.stringify({ error: shape(thrown).error })));
        controller.close();
      }
    },
    async cancel() {
      await parts.return?.();
    },
  });
  return new Response(stream, { headers: { "content-type": "text/event-stream", "cache-control": "no-cache" } });
}

/** A failure as the API's answer. */
export function failed(thrown: unknown, body?: unknown): Response {
  const { status, error } = shape(thrown, body);
  return problem(status, error);
}

/** What is wrong with the request itself. */
export function refused(status: number, message: string, code: string | null = null): Response {
  const type = status < 500 ? "invalid_request_error" : "server_error";
  return problem(status, { message, type, param: null, code });
}

function shape(thrown: unknown, body?: unknown): Pick<OpenAIError, "status" | "error"> {
  return new OpenAIError(SottoError.from(thrown), (body as { tools?: unknown } | undefined)?.tools);
}

/** To ask again would give the same: OpenAI's client heeds the header. */
const problem = (status: number, error: object) =>
  Response.json({ error }, { status, headers: { "x-should-retry": "false" } });
