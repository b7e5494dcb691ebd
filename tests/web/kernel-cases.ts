/** What tests/kernels/export.rs writes of the kernels' cases, and how results are held against it. */

/** [first word, count] in the file of words. */
export type Words = [number, number];

/**
 * What is written: f32, f16 in pairs, words that must be equal, a list (a count, a word, so many words in any order);
 * records of activations as integers, in one plane of bytes or two; or keys and values of heads of so many numbers.
 */
export type Kind = "f32" | "f16" | "words" | "list" | "planes1" | "planes2" | Heads;
type Heads = `q8_0:${number}` | `q4_0:${number}`;

export interface Case {
  variant: string;
  what: string;
  wgsl: string;
  subgroups: boolean;
  f16: boolean;
  dot: boolean;
  params: Words;
  grid: [number, number];
  ceiling: number;
  bindings: { before: Words; after: Words | null; kind: Kind }[];
}

export interface Index {
  /** Every variant of the crate, whether it has a case here or not. */
  variants: string[];
  cases: Case[];
}

/** What lies behind each buffer's end, and where nothing may be written. */
const POISON = 0x7fc17e01;

/** What is wrong with `got`, in words; nothing if it is as exact as it must be. */
export function difference(
  kind: Kind,
  ceiling: number,
  before: Uint32Array,
  want: Uint32Array,
  got: Uint32Array,
): string | undefined {
  if (kind === "words" || kind === "list") return unequal(kind, want, got);
  if (isHeads(kind)) return apart(kind, ceiling, before, want, got);
  const [wanted, found] = [values(kind, want), values(kind, got)];
  const each = wanted.length / want.length;
  let [error, norm] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    const word = Math.floor(i / each);
    if (before[word] === POISON && want[word] === POISON) {
      if (got[word] !== POISON) return `word ${word} is not the kernel's, but was written`;
      continue;
    }
    if (!Number.isFinite(found[i])) return `element ${i} is ${found[i]}, not ${wanted[i]}`;
    error += (found[i]! - wanted[i]!) ** 2;
    norm += wanted[i]! ** 2;
  }
  return error > ceiling * norm ? `error ${error / norm} is over ${ceiling}` : undefined;
}

function unequal(kind: "words" | "list", want: Uint32Array, got: Uint32Array): string | undefined {
  const [wanted, found] = [want.slice(), got.slice()];
  if (kind === "list") for (const list of [wanted, found]) list.subarray(2, 2 + want[0]!).sort();
  const at = wanted.findIndex((word, i) => word !== found[i]);
  return at < 0 ? undefined : `word ${at} is ${found[at]}, not ${wanted[at]}`;
}

function isHeads(kind: Kind): kind is Heads {
  return kind.startsWith("q");
}

/** Heads of which one word is written are written whole. */
function apart(kind: Heads, ceiling: number, before: Uint32Array, want: Uint32Array, got: Uint32Array) {
  const [name, numbers] = kind.split(":");
  const [headDim, fours] = [Number(numbers), name === "q4_0" ? 2 : 1];
  const size = headDim / (4 * fours) + Math.ceil(headDim / 64);
  let [error, norm] = [0, 0];
  for (let at = 0; at < want.length; at += size) {
    const [old, wanted, found] = [before, want, got].map((words) => words.subarray(at, at + size));
    const untouched = old![0] === POISON && old!.every((word, i) => word === wanted![i]);
    if (untouched || found!.length < size) {
      if (found!.some((word, i) => word !== old![i])) return `words from ${at} on were written`;
      continue;
    }
    for (let i = 0; i < headDim; i++) {
      const [is, should] = [element(found!, i, fours), element(wanted!, i, fours)];
      if (!Number.isFinite(is)) return `element ${i} from ${at} on is ${is}, not ${should}`;
      error += (is - should) ** 2;
      norm += should ** 2;
    }
  }
  return error > ceiling * norm ? `error ${error / norm} is over ${ceiling}` : undefined;
}

/** Number i of a head in blocks, of whose bytes each holds so many fours' part. */
function element(head: Uint32Array, i: number, fours: number): number {
  const pair = Math.floor(i / 64) * (1 + 16 / fours);
  const scale = half((head[pair]! >> (16 * (Math.floor(i / 32) % 2))) & 0xffff);
  const byte = (head[pair + 1 + Math.floor((i % 64) / (4 * fours))]! >> (8 * (i % 4))) & 0xff;
  if (fours === 1) return (((byte << 24) >> 24) * scale) / 127;
  return ((8 - ((byte >> (4 * (Math.floor(i / 4) % 2))) & 15)) * scale) / 8;
}

function values(kind: Exclude<Kind, "words" | "list" | Heads>, words: Uint32Array): Float64Array {
  if (kind === "planes1" || kind === "planes2") return activations(words, kind === "planes1" ? 1 : 2);
  if (kind === "f32") return Float64Array.from(new Float32Array(words.slice().buffer));
  return Float64Array.from({ length: words.length * 2 }, (_, i) => half((words[i >> 1]! >> (16 * (i & 1))) & 0xffff));
}

function half(bits: number): number {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -14 * (fraction / 1024);
}

/**
 * What records stand for, four values a word: a scale or sum by itself, or activations in the place of their high byte.
 */
function activations(words: Uint32Array, planes: number): Float64Array {
  const [numbers, bytes] = [new Float32Array(words.slice().buffer), new Int8Array(words.slice().buffer)];
  const size = 4 + 8 * planes;
  return Float64Array.from({ length: 4 * words.length }, (_, i) => {
    const word = i >> 2;
    const scale = numbers[word - (word % size)]!;
    if (word % size < 4) return i % 4 ? 0 : numbers[word]!;
    if (word % size >= 12) return 0;
    return scale * (planes === 2 ? 128 * bytes[i]! + bytes[i + 32]! : bytes[i]!);
  });
}
