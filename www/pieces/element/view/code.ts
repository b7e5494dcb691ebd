/** A block of code: its language, a button that copies it, its text, in colours when it is whole. */
import { highlighted } from "../markdown/highlight.js";
import type { Say } from "../texts.js";
import { copyButton } from "./copy.js";
import { h } from "./dom.js";

export function codeBlock(language: string, say: Say): { element: HTMLElement; text: HTMLElement } {
  const text = h("code");
  text.dataset.language = language;
  const pre = h("pre", { tabindex: "0", dir: "ltr", role: "group", "aria-label": language || say.text("code") }, text);
  const bar = h("div", { class: "bar" }, h("span", {}, language || say.text("code")));
  bar.append(copyButton(say, () => text.textContent ?? ""));
  return { element: h("div", { class: "code", part: "code" }, bar, pre), text };
}

/** Colours the code of a block that is closed, unless something of it is selected: that would be lost. */
export function colour(block: Node): void {
  if (!(block instanceof Element)) return;
  for (const text of block.matches(".code")
    ? [block.querySelector("pre > code")!]
    : block.querySelectorAll("pre > code")) {
    idle(() => {
      const source = text.textContent ?? "";
      const coloured = highlighted(source, (text as HTMLElement).dataset.language ?? "");
      if (coloured && !hasSelection(text)) text.replaceChildren(coloured);
    });
  }
}

function idle(work: () => void): void {
  if ("requestIdleCallback" in globalThis) requestIdleCallback(work, { timeout: 1000 });
  else setTimeout(work, 50);
}

function hasSelection(element: Element): boolean {
  const root = element.getRootNode() as ShadowRoot & { getSelection?(): Selection | null };
  const selection = root.getSelection?.() ?? document.getSelection();
  if (!selection || selection.isCollapsed) return false;
  return selection.containsNode(element, true);
}
