// Passages of files, and which of them are near to a question.

/** Characters of a passage, unless one paragraph is longer. */
const LENGTH = 600;

/** BGE's models want this before a question, and nothing before a passage. */
const QUESTION = "Represent this sentence for searching relevant passages: ";

/** `{ file, text }` of a text: its paragraphs, short ones together. */
export function passagesOf(file, text) {
  const passages = [];
  for (const paragraph of text.split(/\n\s*\n/).map((part) => part.trim())) {
    const last = passages.at(-1);
    if (last && last.length + paragraph.length < LENGTH) passages[passages.length - 1] += `\n\n${paragraph}`;
    else if (paragraph) passages.push(paragraph);
  }
  return passages.map((text) => ({ file, text }));
}

/** Gives each passage its vector. */
export async function embedAll(model, passages) {
  const vectors = await model.embed(
    passages.map(({ text }) => text),
    { truncate: true },
  );
  for (const [i, passage] of passages.entries()) passage.vector = vectors[i];
}

/** The `top` passages that are nearest to a question. */
export async function nearest(model, passages, question, top = 3) {
  const wanted = await model.embed(question, { prompt: QUESTION, truncate: true });
  // Vectors have the length 1: this is the cosine of their angle.
  const near = ({ vector }) => vector.reduce((sum, x, i) => sum + x * wanted[i], 0);
  return passages
    .map((passage) => ({ ...passage, score: near(passage) }))
    .sort((a, b) => b.score - a.score)
    .slice(0, top);
}
