/**
 * What a model tells of what it does.
 *
 * Generated from the Rust code by `npm run wire`: change it there (crate/wire, crate/base/error.rs).
 */

/** Memory that a model holds, in bytes. */
export interface Memory {
  /** 0 on the CPU, whose buffers lie in the wasm heap. */
  gpuBytes: number;
  /** The size of the wasm heap; it never shrinks, so this is its peak. */
  wasmBytes: number;
}

/** What a model does now, and what it has done since its load. */
export interface ModelStats {
  /** Replies. */
  requests: RequestStats;
  /** Passes of the model for them. */
  batch: BatchStats;
  /** Their tokens. */
  tokens: TokenStats;
  /** Keys and values that are kept. */
  cache: CacheStats;
  /** Guesses of tokens (`speculate`). */
  speculation: SpeculationStats;
  /** Experts that stay in the file (`experts`). */
  experts: ExpertStats;
  /** What the model takes. */
  memory: Memory;
}

/** Replies: an answer with `n` of them counts as so many. */
export interface RequestStats {
  /** Under way. */
  running: number;
  /** In line, as the cache has no room for them yet. */
  waiting: number;
  /** Since the load. */
  total: number;
}

/**
 * Passes of the model, each of which computes one or more rows: tokens of prompts, the next tokens of replies, guesses.
 */
export interface BatchStats {
  /** Since the load. */
  passes: number;
  /** Of all passes. */
  rows: number;
  /** Of the last pass. */
  lastRows: number;
  /** Replies that shared the last pass. */
  lastRequests: number;
}

/**
 * Tokens in and out. Rates are those of late: over some two seconds, so that they fall to 0 where nothing is asked.
 */
export interface TokenStats {
  /** Of prompts, since the load. */
  prompt: number;
  /** Of those, the ones that were in the cache and not computed again. */
  cached: number;
  /** Of replies, since the load. */
  completion: number;
  /** Prompt tokens computed in a second. */
  promptTps: number;
  /** Reply tokens in a second, of all replies together. */
  completionTps: number;
}

/** The cache: a cell holds the keys and values of one token. */
export interface CacheStats {
  /** Cells that texts have, with what is set aside for replies under way. */
  used: number;
  /** All of them. */
  cells: number;
  /**
   * Those of layers that look back over a window only and have cells of their own, so far as texts have them; else 0.
   */
  windowUsed: number;
  /** All of those. */
  windowCells: number;
  /** Texts that are kept: those under way, and those that a later prompt may begin with. */
  texts: number;
  /** Texts that made room for others, since the load. */
  evictions: number;
}

/** Guesses of what comes next, in tokens, since the load. */
export interface SpeculationStats {
  /** Computed. */
  drafted: number;
  /** Of those, the right ones. */
  accepted: number;
}

/** Experts that were wanted of layers, each once a pass, since the load; 0 where all are in memory. */
export interface ExpertStats {
  /** By passes. */
  wanted: number;
  /** Of those, the ones that were not in memory. */
  read: number;
  /** Bytes that were read for them. */
  bytes: number;
}
