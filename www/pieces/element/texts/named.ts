/** A language's texts by their names, from a list in the order of the English ones: the build leaves the names out. */
import { en } from "./en.js";

export const named = (texts: readonly string[]) =>
  Object.fromEntries(Object.keys(en).map((name, index) => [name, texts[index]]));
