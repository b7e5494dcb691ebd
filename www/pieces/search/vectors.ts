/** Vectors in the memory of a small wasm module, and which of them are most like another: all are compared, with SIMD. */
import { SottoError } from "sotto";
import { SEARCH_WASM } from "../../wasm-search/sotto_search.js";

interface Exports {
  memory: WebAssembly.Memory;
  __heap_base: WebAssembly.Global;
  search_rows(
    rows: number,
    count: number,
    length: number,
    query: number,
    mask: number,
    masked: number,
    best: number,
    limit: number,
  ): number;
}

export interface Like {
  row: number;
  /** The cosine of the angle between both: 1 for the same direction, 0 for nothing in common. */
  similarity: number;
}

/** Floats that the module multiplies at a time. */
const STEP = 16;
const PAGE = 65536;
/** The most rows of a result. */
export const MOST = 1024;

let compiled: WebAssembly.Module | undefined;

/** At once: it is two kilobytes. */
function compile(): WebAssembly.Module {
  const bytes = () => Uint8Array.from(atob(SEARCH_WASM), (letter) => letter.charCodeAt(0));
  compiled ??= new WebAssembly.Module(bytes());
  return compiled;
}

/** Rows of one length, each of length 1, in the order in which they were added. */
export class Vectors {
  readonly dimensions: number;
  #wasm: Exports;
  /** Floats from one row to the next. */
  #stride: number;
  #count = 0;
  /** Where in the memory the query, the results and the rows lie; behind the rows is room for a mask. */
  #query: number;
  #best: number;
  #rows: number;

  /** `out_of_memory` where there is none for one such vector. */
  constructor(dimensions: number) {
    const wasm = new WebAssembly.Instance(compile()).exports as unknown as Exports;
    this.#wasm = wasm;
    this.dimensions = dimensions;
    this.#stride = Math.ceil(dimensions / STEP) * STEP;
    this.#query = Math.ceil((wasm.__heap_base.value as number) / 16) * 16;
    this.#best = this.#query + 4 * this.#stride;
    this.#rows = this.#best + 8 * MOST;
    this.#reserve(0);
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes that the vectors take. */
  get bytes(): number {
    return this.#wasm.memory.buffer.byteLength;
  }

  /** Adds a row. `bad_option` where it is of another length or no direction. */
  push(vector: ArrayLike<number>): void {
    this.#reserve(this.#count + 1);
    this.#put(this.#rows + 4 * this.#stride * this.#count, vector);
    this.#count += 1;
  }

  /** The last row takes the place of this one. */
  remove(row: number): void {
    this.#count -= 1;
    this.#row(row).set(this.#row(this.#count));
  }

  /** A row as it is kept. */
  get(row: number): Float32Array {
    return this.#row(row).slice(0, this.dimensions);
  }

  /** The rows that are most like this one, the most alike first; only those that `keeps` names, if it is given. */
  like(vector: ArrayLike<number>, limit: number, keeps?: (row: number) => boolean): Like[] {
    this.#put(this.#query, vector);
    const mask = this.#rows + 4 * this.#stride * this.#count;
    const masked = keeps ? this.#count : 0;
    if (keeps) {
      const bytes = new Uint8Array(this.#wasm.memory.buffer, mask, masked);
      for (let row = 0; row < masked; row++) bytes[row] = keeps(row) ? 1 : 0;
    }
    const room = Math.min(limit, MOST);
    const [count, stride] = [this.#count, this.#stride];
    const found = this.#wasm.search_rows(this.#rows, count, stride, this.#query, mask, masked, this.#best, room);
    const rows = new Uint32Array(this.#wasm.memory.buffer, this.#best, 2 * found);
    const scores = new Float32Array(this.#wasm.memory.buffer, this.#best, 2 * found);
    return Array.from({ length: found }, (_, i) => ({ row: rows[2 * i]!, similarity: scores[2 * i + 1]! }));
  }

  #row(row: number): Float32Array {
    return new Float32Array(this.#wasm.memory.buffer, this.#rows + 4 * this.#stride * row, this.#stride);
  }

  /** Room for so many rows and a mask of them: half as much again each time, so that adding one by one copies little. */
  #reserve(rows: number): void {
    const has = this.#wasm.memory.buffer.byteLength;
    const needs = this.#rows + rows * (4 * this.#stride + 1);
    if (needs <= has) return;
    const pages = (bytes: number) => Math.ceil((bytes - has) / PAGE);
    for (const bytes of [Math.max(needs, 1.5 * has), needs]) {
      try {
        return void this.#wasm.memory.grow(pages(bytes));
      } catch {
        // There may be room for less.
      }
    }
    const held = `${rows} vectors of ${this.dimensions} numbers`;
    throw new SottoError("out_of_memory", `The browser has no memory for ${held}; search in fewer or shorter ones.`);
  }

  /** Leaves a vector of length 1 in the same direction. */
  #put(at: number, vector: ArrayLike<number>): void {
    const wants = this.dimensions;
    if (vector.length !== wants)
      throw new SottoError("bad_option", `A vector has ${vector.length} numbers and the others have ${wants}.`);
    const to = new Float32Array(this.#wasm.memory.buffer, at, this.#stride).fill(0);
    // Whatever is no number becomes none here.
    for (let i = 0; i < wants; i++) to[i] = typeof vector[i] === "number" ? vector[i]! : Number.NaN;
    const length = Math.sqrt(to.reduce((sum, value) => sum + value * value, 0));
    if (!(length > 0 && length < Number.POSITIVE_INFINITY))
      throw new SottoError("bad_option", "A vector is all zeros or holds what is no number; give it a direction.");
    for (let i = 0; i < wants; i++) to[i]! /= length;
  }
}
