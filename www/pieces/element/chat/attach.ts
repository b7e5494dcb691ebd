/** Text files that a user adds to a message. */
import type { Attachment } from "./turns.js";

export const LARGEST_FILE = 256_000;

/** The file's text; nothing where it is too large or holds what is no text. */
export async function readText(file: File): Promise<Attachment | undefined> {
  if (file.size > LARGEST_FILE) return undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    return text.includes("\0") ? undefined : { name: file.name, text };
  } catch {
    return undefined;
  }
}
