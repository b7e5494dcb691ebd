/** Code in colours: sugar-high reads it into words and their kinds, which become elements here. */
import { parse } from "sugar-high/core";
import { languageOf } from "./languages.js";

/** Characters of code that are coloured: more would take a frame. */
const LONGEST = 20_000;

/** The kinds that have a colour. */
const COLOURED = new Set(["keyword", "string", "class", "property", "entity", "jsxliterals", "comment"]);

/** The code's nodes; nothing where the language is not known or the code is long. */
export function highlighted(text: string, language: string): DocumentFragment | undefined {
  const config = text.length > LONGEST ? undefined : languageOf(language);
  if (!config) return undefined;
  const out = document.createDocumentFragment();
  for (const [i, { tokens }] of parse(text, config).lines.entries()) {
    if (i > 0) out.append("\n");
    for (const { type, value } of tokens) {
      if (!COLOURED.has(type)) {
        out.append(value);
        continue;
      }
      const span = document.createElement("span");
      span.className = `code-${type}`;
      span.textContent = value;
      out.append(span);
    }
  }
  out.normalize();
  // Colours alone are added, never a letter changed.
  return out.textContent === text ? out : undefined;
}
