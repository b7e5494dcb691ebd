/**
 * Composables for Vue 3:
 *
 *     const model = useModel("hf:owner/name:Q4_K_M");
 *     const chat = useChat(() => ({ model: model.ready }));
 *
 * Each gives a reactive object; what ends the component ends its work. On a server nothing is loaded.
 */
import type { LoadOptions } from "sotto";
import { type MaybeRefOrGetter, onScopeDispose, shallowReactive, toValue, watch } from "vue";
import type { Cell } from "../store/cell.js";
import { type ChatSettings, ChatStore } from "../store/chat.js";
import { type EmbeddingsSettings, EmbeddingsStore } from "../store/embeddings.js";
import { type ModelSource, ModelStore } from "../store/model.js";
import type { Held } from "../store/types.js";

export type * from "../store/types.js";

const isServer = typeof document === "undefined";

/** Loads a model, and disposes it with the component. */
export function useModel(source: ModelSource, options?: LoadOptions) {
  const store = new ModelStore(source, options);
  if (!isServer) onScopeDispose(store.keep());
  return held(store, { reload: store.reload, dispose: store.dispose });
}

/** A conversation. Settings that a getter gives are read anew for each reply, but for the first messages. */
export function useChat(settings: MaybeRefOrGetter<ChatSettings>) {
  const store = new ChatStore(toValue(settings));
  watch(
    () => toValue(settings),
    (now) => {
      store.settings = now;
    },
    { flush: "sync" },
  );
  onScopeDispose(store.keep());
  const { send, stop, regenerate, edit, restart } = store;
  return held(store, { send, stop, regenerate, edit, restart });
}

/** Vectors of texts; only those that are new are computed. */
export function useEmbeddings(
  model: MaybeRefOrGetter<Held | undefined>,
  texts: MaybeRefOrGetter<readonly string[]>,
  settings?: EmbeddingsSettings,
) {
  // A model that is a function is none of Vue's getters: give a getter of it.
  const store = new EmbeddingsStore(toValue(model) as Held | undefined, settings);
  if (!isServer)
    watch(
      () => [toValue(model) as Held | undefined, [...toValue(texts)]] as const,
      ([model, texts]) => void store.update(model, texts),
      { immediate: true },
    );
  onScopeDispose(store.keep());
  return held(store, { search: store.search });
}

function held<State extends object, Actions extends object>(store: Cell<State>, actions: Actions): State & Actions {
  const all = shallowReactive({ ...store.get(), ...actions });
  onScopeDispose(store.subscribe(() => Object.assign(all, store.get())));
  return all as State & Actions;
}
