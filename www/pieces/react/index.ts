"use client";
/**
 * Hooks for React, 18 and later:
 *
 *     const { ready, status, progress } = useModel("hf:owner/name:Q4_K_M");
 *     const { messages, send, stop } = useChat({ model: ready });
 *
 * A model loads when a component is mounted and is disposed after the last one is gone; strict mode loads it once. On a
 * server nothing is loaded.
 */
import { useEffect, useMemo, useState, useSyncExternalStore } from "react";
import type { LoadOptions } from "sotto";
import type { Cell } from "../store/cell.js";
import { type ChatSettings, ChatStore } from "../store/chat.js";
import { type EmbeddingsSettings, EmbeddingsStore } from "../store/embeddings.js";
import { type ModelSource, ModelStore } from "../store/model.js";
import type { Held } from "../store/types.js";

export type * from "../store/types.js";
export type { ModelStore } from "../store/model.js";

/**
 * A model for several components, or for `use` and Suspense: `use(model.load())`. Make it outside of components; it stays
 * until its `dispose`.
 */
export function createModel(source: ModelSource, options?: LoadOptions): ModelStore {
  return new ModelStore(source, options);
}

/**
 * Loads a model. Another `source` loads another one, `undefined` none yet; a function that loads, and the options, are read
 * once.
 */
export function useModel(source: ModelSource | ModelStore | undefined, options?: LoadOptions) {
  const shared = source instanceof ModelStore ? source : undefined;
  const which = typeof source === "function" ? "function" : source instanceof URL ? source.href : source;
  // biome-ignore lint/correctness/useExhaustiveDependencies: options are read once
  const store = useMemo(() => shared ?? new ModelStore(source as ModelSource | undefined, options), [which]);
  useEffect(() => (shared ? void shared.load() : store.keep()), [store, shared]);
  return useCell(store, { reload: store.reload, dispose: store.dispose });
}

/** A conversation. Its settings are read anew for each reply, but for the first messages. */
export function useChat(settings: ChatSettings) {
  const [store] = useState(() => new ChatStore(settings));
  useEffect(() => {
    store.settings = settings;
  });
  useEffect(() => store.keep(), [store]);
  const { send, stop, regenerate, edit, restart } = store;
  return useCell(store, { send, stop, regenerate, edit, restart });
}

/** Vectors of texts; only those that are new are computed. The settings are read once. */
export function useEmbeddings(model: Held | undefined, texts: readonly string[], settings?: EmbeddingsSettings) {
  const [store] = useState(() => new EmbeddingsStore(model, settings));
  useEffect(() => {
    void store.update(model, texts);
  });
  useEffect(() => store.keep(), [store]);
  return useCell(store, { search: store.search });
}

/** The state, with what can be done. The first state is a server's, too. */
function useCell<State extends object, Actions extends object>(store: Cell<State>, actions: Actions): State & Actions {
  const state = useSyncExternalStore(store.subscribe, store.get, store.get);
  // biome-ignore lint/correctness/useExhaustiveDependencies: actions are the store's
  return useMemo(() => ({ ...state, ...actions }), [state, store]);
}
