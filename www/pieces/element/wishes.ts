/** What the page wishes of a chat, and how it is told of what happens. */
import type { LoadOptions } from "sotto";
import type { ChatFallback } from "./chat/server.js";
import type { Settings } from "./chat/session.js";
import type { SottoChatEvents } from "./events.js";
import type { RenderMath } from "./view/message.js";
import type { Look } from "./view/window.js";

/** What the page has set. */
export interface Wishes extends Look, Omit<Settings, "goOn"> {
  mode: "inline" | "launcher";
  loadOptions: LoadOptions;
  /** Whether the model's header is read before it is loaded. */
  verdict: boolean;
  /** Bytes of the model's file, as the page knows them. */
  size: number | undefined;
  math: RenderMath | undefined;
  feedback: boolean;
  /** Whether replies say what they took. */
  figures: boolean;
  /** The name under which the browser keeps the conversation. */
  keep: string | undefined;
  /** What the model has computed of it is kept, too, where reading it takes longer than so many seconds. */
  resume: number | undefined;
  disabled: boolean;
  /** A server for what the tab is too small for. */
  fallback: ChatFallback | undefined;
}

export type Tell = <K extends keyof SottoChatEvents>(type: K, detail: SottoChatEvents[K]["detail"]) => boolean;
