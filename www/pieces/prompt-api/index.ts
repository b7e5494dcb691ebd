/**
 * The Prompt API of the W3C's Web Machine Learning group (https://webmachinelearning.github.io/prompt-api), answered by a model
 * of the page's choice. Pages that were written for Chrome's `LanguageModel` run unchanged:
 *
 *     install("hf:owner/name:Q4_K_M");
 *     const session = await LanguageModel.create();
 *     await session.prompt("Why is the sky blue?");
 */
import { type LoadOptions, type Model, store } from "sotto";
import { sure } from "../shared/held.js";
import { orAborted } from "../shared/signal.js";
import { type ModelSource, ModelStore } from "../store/model.js";
import { dictionary, type PromptMessage, read } from "./messages.js";
import { platform, tooLong } from "./errors.js";
import { type CoreOptions, MOST, areText, listOf, samplingOf, toolsOf } from "./options.js";
import { LanguageModelSession, OURS, type Session } from "./session.js";

export type { ModelSource } from "../store/model.js";
export type { Prompt, PromptContent, PromptMessage } from "./messages.js";
export type { CoreOptions, Expected, SamplingMode, Tool } from "./options.js";
export type { LanguageModelSession, PromptOptions } from "./session.js";

export type Availability = "unavailable" | "downloadable" | "downloading" | "available";

/** What is said of a model that is not loaded yet, whose file may have its own. */
const DEFAULTS = { topK: 40, temperature: 0.8 };

/** What tells of a download. */
export interface CreateMonitor extends EventTarget {
  ondownloadprogress: ((event: ProgressEvent) => void) | null;
  addEventListener(type: "downloadprogress", listener: (event: ProgressEvent) => void): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null): void;
}

export interface CreateOptions extends CoreOptions {
  signal?: AbortSignal;
  /** Is given a target of `downloadprogress` events, whose `loaded` goes from 0 to 1. */
  monitor?(monitor: CreateMonitor): void;
  initialPrompts?: PromptMessage[];
}

/** `LanguageModel`, with the end of its model. */
export interface LanguageModelClass {
  create(options?: CreateOptions): Promise<LanguageModelSession>;
  availability(options?: CoreOptions): Promise<Availability>;
  params(): Promise<{ defaultTopK: number; maxTopK: number; defaultTemperature: number; maxTemperature: number }>;
  /** Not the W3C's: frees the model's memory; the next `create` loads it again. */
  unload(): void;
  readonly prototype: LanguageModelSession;
}

export interface PromptApiOptions extends LoadOptions {
  /** Whether the model can run here, where the page knows better; by default whether it is loaded or stored. */
  availability?: () => Availability | Promise<Availability>;
}

/** The class for a model that loads with the first `create`. */
export function createLanguageModel(
  source: ModelSource | Model,
  { availability, ...options }: PromptApiOptions = {},
): LanguageModelClass {
  const isModel = typeof source === "object" && source !== null && "info" in source;
  const loads = new ModelStore(isModel ? async () => source : source, options);

  return class LanguageModel extends LanguageModelSession {
    static async availability(options?: CoreOptions): Promise<Availability> {
      if (!areText(dictionary(options, "options")) || source == null) return "unavailable";
      const { status } = loads.get();
      if (status === "ready" || isModel) return "available";
      if (status === "loading") return "downloading";
      return availability ? availability() : (await isStored(source)) ? "available" : "downloadable";
    }

    static async create(wanted?: CreateOptions): Promise<LanguageModel> {
      const options = dictionary(wanted, "options");
      const { signal, monitor, initialPrompts = [], tools = [] } = options;
      signal?.throwIfAborted();
      const given = { tools: toolsOf(tools), ...samplingOf(options) };
      if (!areText(options)) throw new DOMException("Models here read and write text alone.", "NotSupportedError");
      const prompts = listOf(initialPrompts, "initialPrompts");
      const history = prompts.length > 0 ? read(prompts, false).messages : [];
      const watching = monitor && watch(loads, monitor);
      try {
        const model = sure(await orAborted(loads.load(), signal));
        if (watching) {
          // Who hears that it is there may still want none.
          watching.look();
          await new Promise((resolve) => setTimeout(resolve));
          signal?.throwIfAborted();
        }
        const state: Session = { model, history, ...given, usage: 0 };
        if (history.length > 0) state.usage = await model.countTokens(history);
        const { contextLength } = model.info;
        if (state.usage > contextLength) throw tooLong(state.usage, contextLength);
        return new LanguageModel(OURS, state, signal);
      } catch (thrown) {
        signal?.throwIfAborted();
        if (loads.get().status === "error") loads.dispose();
        throw platform(thrown);
      } finally {
        watching?.leave();
      }
    }

    static async params() {
      const model = isModel ? source : loads.get().model;
      const { topK: defaultTopK, temperature: defaultTemperature } = model?.info.sampling ?? DEFAULTS;
      return { defaultTopK, maxTopK: MOST.topK, defaultTemperature, maxTemperature: MOST.temperature };
    }

    static unload(): void {
      // One that was given is its owner's.
      if (!isModel) loads.dispose();
    }
  };
}

/**
 * Makes it the page's `LanguageModel`, where the browser has none of its own or `replace` says so. Returns whether it did.
 */
export function install(
  source: ModelSource | Model,
  { replace = false, ...options }: PromptApiOptions & { replace?: boolean } = {},
): boolean {
  if ("LanguageModel" in globalThis && !replace) return false;
  const value = createLanguageModel(source, options);
  Object.defineProperty(globalThis, "LanguageModel", { value, configurable: true, writable: true });
  return true;
}

/** Whether a model lies in the browser's store; a file or bytes need no network at all. */
async function isStored(source: unknown): Promise<boolean> {
  if (typeof source === "function") return false;
  if (typeof source !== "string" && !(source instanceof URL)) return true;
  const address = String(source);
  const url = URL.canParse(address, globalThis.location?.href) && new URL(address, globalThis.location?.href).href;
  try {
    return (await store.list()).some(
      (file) => file.whole && [file.url, file.alias].some((at) => at === address || at === url),
    );
  } catch {
    return false;
  }
}

const STEPS = 0x10000;

/** Tells a monitor how far the load is, again and again until it is left. */
function watch(loads: ModelStore, monitor: (monitor: CreateMonitor) => void): { look(): void; leave(): void } {
  const target = Object.assign(new EventTarget(), { ondownloadprogress: null }) as CreateMonitor;
  let last = -1;
  const tell = (loaded: number) => {
    if (loaded <= last) return;
    last = loaded;
    // Older browsers' own have whole numbers alone.
    const event = Object.assign(new Event("downloadprogress"), { loaded, total: 1, lengthComputable: true });
    target.ondownloadprogress?.(event as ProgressEvent);
    target.dispatchEvent(event);
  };
  monitor(target);
  const look = () => {
    const { progress, status } = loads.get();
    if (status === "ready") tell(1);
    // In steps that tell nobody how large the model is, to the byte; the last is for what is there.
    else if (progress?.phase === "download" && progress.total)
      tell(Math.min(Math.floor((progress.loaded / progress.total) * STEPS), STEPS - 1) / STEPS);
  };
  tell(0);
  return { look, leave: loads.subscribe(look) };
}
