/** What tests/kernels/export.rs writes of the kernels' cases, and how results are held against it. */

/** [first word, count] in the file of words. */
export type Words = [number, number];

/**
 * What is written: f32, f16 in pairs, words that must be equal, a list (a count, a word, so many words in any order); or
 * records of activations as integers, in one plane of bytes or two.
 */
export type Kind = "f32" | "f16" | "words" | "list" | "planes1" | "planes2";

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

function values(kind: Exclude<Kind, "words" | "list">, words: Uint32Array): Float64Array {
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
