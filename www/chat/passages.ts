/** Files as passages that a search finds, and what a model is asked of those that were found. */
import type { ChatMessage } from "sotto";

/** Characters of a passage: two to four of them, and a question, leave room in a small context. */
const LENGTH = 600;

export interface Source {
  file: string;
  text: string;
}

/** What is searched: a file's passages under names of their own. */
export interface Passage {
  id: string;
  text: string;
  data: { file: string };
}

/** The paragraphs of a text, short ones together, long ones in parts; each begins with the heading that it stands under. */
export function passagesOf(file: string, text: string): Passage[] {
  const passages: string[] = [];
  let heading = "";
  let open = "";
  const close = () => {
    if (open) passages.push(open);
    open = "";
  };
  for (const paragraph of text.replace(/\r\n?/g, "\n").split(/\n\s*\n/)) {
    const part = paragraph.trim();
    const [, title] = /^#{1,6}\s+(.+)/.exec(part) ?? [];
    if (title) {
      close();
      heading = title;
      if (!part.includes("\n")) continue;
    }
    for (const piece of pieces(title ? part.slice(part.indexOf("\n") + 1) : part)) {
      if (open && open.length + piece.length > LENGTH) close();
      open = open ? `${open}\n\n${piece}` : heading ? `${heading}: ${piece}` : piece;
    }
  }
  close();
  const ids = idsOf(file, passages.length);
  return passages.map((text, i) => ({ id: ids[i]!, text, data: { file } }));
}

/** The names of a file's passages. */
export const idsOf = (file: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${file}#${i}`);

/** A paragraph that is too long, cut behind sentences, else between words, else anywhere. */
function pieces(text: string): string[] {
  const cut: string[] = [];
  let rest = text.trim();
  while (rest.length > LENGTH) {
    const part = rest.slice(0, LENGTH);
    const ends = [/^[\s\S]*[.!?。！？](?=\s|$)/u, /^[\s\S]*(?=\s)/u].map((end) => end.exec(part)?.[0].length ?? 0);
    const at = ends.find((end) => end > LENGTH / 3) ?? LENGTH;
    cut.push(rest.slice(0, at).trim());
    rest = rest.slice(at).trim();
  }
  return rest ? [...cut, rest] : cut;
}

/** What the model is asked: the sources by number, and then the question. */
export function asking(question: string, sources: readonly Source[]): ChatMessage[] {
  const told = sources.map(({ file, text }, i) => `[${i + 1}] ${file}\n${text}`).join("\n\n");
  const rule =
    "Answer in one to three sentences, from these sources alone. Behind what you take from a source, write its number, such as [1]. If the sources do not say it, say so.";
  return [
    { role: "system", content: `${rule}\n\n${told}` },
    { role: "user", content: question },
  ];
}

/** An answer's text and the numbers of sources in it, in their order; a number that no source has is text. */
export function cited(answer: string, count: number): (string | number)[] {
  const parts = answer.split(/\[(\d+)\]/);
  const read = parts.map((part, i) =>
    i % 2 === 0 ? part : Number(part) >= 1 && Number(part) <= count ? Number(part) : `[${part}]`,
  );
  return read.filter((part) => part !== "");
}
