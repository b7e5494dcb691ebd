/** The same made-up tokens as in Sotto's own `bench`, spread over the vocabulary. */
export function madeUpPrompt(count, vocab) {
  return Array.from({ length: count }, (_, i) => (i * 7919 + Math.floor(vocab / 3)) % vocab);
}
