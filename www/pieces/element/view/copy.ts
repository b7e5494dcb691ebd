/** A button that copies a text, and says so. */
import type { Say } from "../texts.js";
import { icon, iconButton } from "./dom.js";

const SHOWN_MS = 2000;

export function copyButton(say: Say, text: () => string): HTMLButtonElement {
  const label = say.text("copy");
  const button = iconButton("copy", label, async () => {
    try {
      await navigator.clipboard.writeText(text());
    } catch {
      // The page may not; the text can be selected.
      return;
    }
    show("done", say.text("copied"));
    setTimeout(() => show("copy", label), SHOWN_MS);
  });
  const show = (name: "copy" | "done", said: string) => {
    button.replaceChildren(icon(name));
    button.setAttribute("aria-label", said);
    button.title = said;
  };
  return button;
}
