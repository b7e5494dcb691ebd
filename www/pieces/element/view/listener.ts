/** Shows in the window what is heard of a conversation. */
import type { Listener } from "../chat/session.js";
import type { Turn } from "../chat/turns.js";
import type { Tell } from "../wishes.js";
import type { Window } from "./window.js";

/** What is done besides. */
interface Besides {
  added(): void;
  begun(): void;
  /** What is said of what the model has no room for. */
  forgotten(): string;
  ended: Listener["ended"];
}

/** `window`: the one that there is now. */
export function listener(window: () => Window, tell: Tell, besides: Besides): Listener {
  const view = (turn: Turn) => window().messages.view(turn);
  return {
    added: (turn) => {
      window().messages.add(turn);
      besides.added();
    },
    removed: (turns) => window().messages.remove(turns),
    begun: (turn) => {
      besides.begun();
      view(turn)?.begun();
      window().composer.busy(true);
      window().messages.toEnd();
    },
    read: (turn, loaded, total) => view(turn)?.read(loaded, total),
    part: (turn, part) => tell("sotto-part", { turn, part }),
    text: (turn, more) => {
      // One that was cleared away is not heard of again.
      if (!view(turn)) return;
      view(turn)!.text(more);
      window().speaker.add(more);
    },
    thought: (turn, more) => view(turn)?.thought(more),
    called: (turn, call) => view(turn)?.called(call),
    forgotten: (turns) => {
      for (const turn of turns) view(turn)?.forget();
      window().composer.tell(besides.forgotten(), undefined, false);
    },
    ended: besides.ended,
  };
}
