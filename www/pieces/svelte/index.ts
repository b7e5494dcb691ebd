/**
 * Stores for Svelte, whose `$` reads them:
 *
 *     const model = modelStore("hf:owner/name:Q4_K_M");
 *     const chat = chatStore({ model: model.load });
 *     // {#each $chat.messages as message} … {/each}   chat.send("Hello")
 *
 * A model loads when it is first subscribed to, or asked for, and is disposed after the last subscriber is gone. On a
 * server nothing is loaded.
 */
import type { LoadOptions } from "sotto";
import type { Cell } from "../store/cell.js";
import { type ChatSettings, ChatStore, type ChatState } from "../store/chat.js";
import { type EmbeddingsSettings, type EmbeddingsState, EmbeddingsStore } from "../store/embeddings.js";
import { type ModelSource, type ModelState, ModelStore } from "../store/model.js";
import type { Held } from "../store/types.js";

export type * from "../store/types.js";

/** As Svelte has it. */
export interface Readable<State> {
  subscribe(run: (state: State) => void): () => void;
}

const isServer = typeof document === "undefined";

/** A model. */
export function modelStore(
  source: ModelSource,
  options?: LoadOptions,
): Readable<ModelState> & Pick<ModelStore, "load" | "reload" | "dispose"> {
  const store = new ModelStore(source, options);
  const { load, reload, dispose } = store;
  return { ...readable(store, isServer ? undefined : store.keep), load, reload, dispose };
}

/** A conversation; `configure` changes its settings for the replies that follow. */
export function chatStore(settings: ChatSettings): Readable<ChatState> &
  Pick<ChatStore, "send" | "stop" | "regenerate" | "edit" | "restart"> & {
    configure(settings: Partial<ChatSettings>): void;
  } {
  const store = new ChatStore(settings);
  const { send, stop, regenerate, edit, restart } = store;
  const configure = (changed: Partial<ChatSettings>) => {
    store.settings = { ...store.settings, ...changed };
  };
  return { ...readable(store), send, stop, regenerate, edit, restart, configure };
}

/** Vectors of the texts that `update` gives; only those that are new are computed. */
export function embeddingsStore(
  model: Held,
  settings?: EmbeddingsSettings,
): Readable<EmbeddingsState> & Pick<EmbeddingsStore, "search"> & { update(texts: readonly string[]): Promise<void> } {
  const store = new EmbeddingsStore(model, settings);
  const { search } = store;
  return { ...readable(store), search, update: (texts) => store.update(model, texts) };
}

/** `keep` is called for each subscriber, what it gives when that leaves. */
function readable<State extends object>(store: Cell<State>, keep?: () => () => void): Readable<State> {
  return {
    subscribe(run) {
      const leave = store.subscribe(() => run(store.get()));
      const drop = keep?.();
      run(store.get());
      return () => {
        leave();
        drop?.();
      };
    },
  };
}
