/** What the model has computed of a conversation, kept beside it: opened again, it goes on without being read again. */
import type { AnyMessage, AnyTool } from "sotto";
import { forgetComputed, noteComputed, sessionOf } from "./kept.js";
import type { ChatModel, Params } from "./session.js";

/** Whoever writes on soon is not held up by it. Milliseconds. */
const PAUSE = 2000;

/** A conversation as it is to be kept. */
export interface Computed {
  /** That of the conversation. */
  name: string;
  messages: AnyMessage[];
  tools: readonly AnyTool[];
  params: Params;
}

export class Resumed {
  #model: ChatModel | undefined;
  /** Conversations that this model has seen. */
  #seen = new Set<string>();
  #due: Computed | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #saving: AbortController | undefined;

  /** Another model, or none. */
  use(model: ChatModel | undefined): void {
    if (model === this.#model) return;
    this.hold();
    this.#seen.clear();
    this.#model = model;
  }

  /** What was computed of a conversation that is opened comes back; what is asked meanwhile waits for it. */
  open(name: string): void {
    if (!this.#model?.restore || this.#seen.has(name)) return;
    this.#seen.add(name);
    // Without it the conversation is read, as ever.
    void this.#model.restore(sessionOf(name)).catch(() => {});
  }

  /** Keeps it when nothing more comes for a while, the page is left, or another conversation is opened. */
  keep(computed: Computed): void {
    this.hold();
    this.#seen.add(computed.name);
    this.#due = computed;
    this.#timer = setTimeout(() => this.flush(), PAUSE);
    document.addEventListener("visibilitychange", this.#hidden);
  }

  /** What is due is kept now. */
  flush(): void {
    const due = this.#due;
    this.#rest();
    if (due) void this.#save(due);
  }

  /** Nothing is kept of what has been: there is more to come, or it is gone. */
  hold(): void {
    this.#rest();
    this.#saving?.abort();
  }

  #hidden = () => document.hidden && this.flush();

  #rest(): void {
    this.#due = undefined;
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.#hidden);
  }

  async #save({ name, messages, tools, params }: Computed): Promise<void> {
    if (!this.#model?.session) return;
    const saving = new AbortController();
    this.#saving = saving;
    const { reasoning_effort, chat_template_kwargs, tool_choice } = params;
    const seen = {
      reasoning_effort,
      chat_template_kwargs,
      ...(tools.length > 0 && { tools: tools.map(told), tool_choice }),
    };
    try {
      await noteComputed(name);
      await this.#model.session({ id: sessionOf(name), messages, ...seen }).save({ signal: saving.signal });
      // It was deleted meanwhile.
      if (saving.signal.aborted) await forgetComputed(name);
    } catch {
      // There is no room, or no store: the conversation is read again the next time.
    }
  }
}

/** A function as the template is told of it. */
function told(tool: AnyTool) {
  const { name = "", description, parameters } = "function" in tool ? tool.function : tool;
  const shown = { name, ...(description && { description }), ...(parameters && { parameters }) };
  return { type: "function" as const, function: shown as { name: string } };
}
