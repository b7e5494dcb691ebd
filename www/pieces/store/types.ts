/** What the hooks of every framework give and take. */
export type { ChatSettings, ChatState, Entry, NewEntry } from "./chat.js";
export type { EmbeddingsSettings, EmbeddingsState, Found } from "./embeddings.js";
export type { ModelSource, ModelState } from "./model.js";
export type { Held } from "../shared/held.js";
