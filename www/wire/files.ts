/** The package's files that a page fetches while it runs, beside its script. */
export const FILES = [
  "worker.js",
  "sotto_bg.wasm",
  "sotto_cpu_bg.wasm",
  "sotto_threads_bg.wasm",
  "sotto_plain_bg.wasm",
  "sotto_grammar_bg.wasm",
  "sotto_repository_bg.wasm",
];
