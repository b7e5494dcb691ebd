/** What the element tells the page. All events bubble and leave the shadow tree. */
import type { Model, Progress } from "sotto";
import type { Part } from "./chat/session.js";
import type { AssistantTurn, Attachment, Turn } from "./chat/turns.js";

export interface SottoChatEvents {
  /** A message is about to be sent; `preventDefault()` keeps it. */
  "sotto-send": CustomEvent<{ text: string; files: readonly Attachment[] }>;
  /** A message is on its way: to the model in the tab, or to the page's server. */
  "sotto-route": CustomEvent<{ to: "tab" | "server"; host: string | undefined; turn: AssistantTurn }>;
  /** A part of a reply as the model gives it, with `logprobs` where `params` ask for them; none of one that calls functions. */
  "sotto-part": CustomEvent<{ turn: AssistantTurn; part: Part }>;
  /** A reply has ended, whole or not: `turn.end` says how. */
  "sotto-reply": CustomEvent<{ turn: AssistantTurn }>;
  /** Someone has judged a reply, or taken that back: `turn.feedback`. */
  "sotto-feedback": CustomEvent<{ turn: AssistantTurn; conversation: readonly Turn[] }>;
  /** The conversation is another: a message more, a reply that has ended, or all gone. */
  "sotto-change": CustomEvent<{ conversation: readonly Turn[] }>;
  /** The model is on its way. */
  "sotto-progress": CustomEvent<Progress>;
  /** The model is there. */
  "sotto-ready": CustomEvent<{ model: Model }>;
  /** Loading or a reply failed: a `SottoError`. */
  "sotto-error": CustomEvent<{ error: unknown }>;
  /** The window of a launcher was opened or closed. */
  "sotto-open": CustomEvent<null>;
  "sotto-close": CustomEvent<null>;
}
