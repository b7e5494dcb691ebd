/**
 * `<sotto-chat>`: a chat with a model that runs in the tab, as an element of the page. Importing this defines it.
 *
 *     <script type="module" src="…/sotto/dist/pieces/element.js"></script>
 *     <sotto-chat model="hf:owner/name:Q4_K_M"></sotto-chat>
 */
import { SottoChat } from "./element.js";
import type { SottoChatEvents } from "./events.js";

export type { ChatFallback } from "./chat/server.js";
export { keep as keepConversation, kept as keptConversation } from "./chat/kept.js";
export type { ChatModel, Params, Part } from "./chat/session.js";
export { markdownOf } from "./chat/turns.js";
export type { AssistantTurn, Attachment, Call, End, Took, Turn, UserTurn } from "./chat/turns.js";
export { LANGUAGES, type TextKey, type Texts } from "./texts.js";
export type { RenderMath } from "./view/message.js";
export { SottoChat, type SottoChatEvents };

declare global {
  /** They bubble, so any element can be listened to. */
  interface HTMLElementEventMap extends SottoChatEvents {}
  interface HTMLElementTagNameMap {
    "sotto-chat": SottoChat;
  }
}

if (globalThis.customElements && !customElements.get("sotto-chat")) customElements.define("sotto-chat", SottoChat);
