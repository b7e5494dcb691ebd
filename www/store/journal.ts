/**
 * What is known of a stored file, in a file of its own beside it: a head in JSON, then for each block a record of how
 * much of it is there and what its SHA-256 is. A record is written where it stands, so that a download that is killed
 * at any moment loses nothing that was noted.
 */
import type { Handle } from "./folder.js";

/** Bytes of a block: what is hashed, compared and fetched again by itself. */
export const BLOCK = 4 << 20;

const VERSION = 1;
const HEAD_BYTES = 8192;
const HASH_BYTES = 32;
const RECORD_BYTES = 4 + HASH_BYTES;

export interface Facts {
  /** Its address, without a fragment. */
  url: string;
  /** What else it is called: the hub's address that was asked for. */
  alias?: string;
  /** For people. */
  name: string;
  /** Bytes of the whole file; unknown while a server does not tell. */
  size?: number;
  /** The server's word for this version of the file: `ETag`, or when it was modified. */
  validator?: string;
  /** Of the whole file, in hex: what was promised, or found. */
  sha256?: string;
  /** Whether all is there, and was what was promised. */
  whole: boolean;
  /** When it was begun, in ms since 1970. */
  added: number;
  /** Of a session: those whose keys and values are there. */
  tokens?: number;
}

/** From `start` on, up to and without `end`. */
export interface Gap {
  start: number;
  end: number;
}

export class Journal {
  facts: Facts;
  /** Bytes that are there of each block, from its beginning on. */
  readonly have: number[];
  /** SHA-256 of each whole block that was read. */
  readonly hashes: (Uint8Array<ArrayBuffer> | undefined)[];
  #handle: Handle | undefined;

  /** With a handle, every change is written. */
  constructor(facts: Facts, handle?: Handle) {
    this.facts = facts;
    this.have = [];
    this.hashes = [];
    this.#handle = handle;
    handle?.truncate(0);
    this.#writeHead(facts);
  }

  /** What a journal's bytes say, if they are one. */
  static read(bytes: Uint8Array, handle?: Handle): Journal | undefined {
    const facts = readHead(bytes);
    if (!facts) return undefined;
    const journal = new Journal(facts);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = HEAD_BYTES; at + 4 <= bytes.length; at += RECORD_BYTES) {
      const most = Math.max(0, journal.lengthOf(journal.have.length));
      journal.have.push(Math.min(view.getUint32(at, true), most));
      const hash = bytes.slice(at + 4, at + RECORD_BYTES);
      // The last record may be of a block that was not read yet.
      journal.hashes.push(hash.length === HASH_BYTES && hash.some((byte) => byte !== 0) ? hash : undefined);
    }
    journal.#handle = handle;
    return journal;
  }

  static open(handle: Handle): Journal | undefined {
    const bytes = new Uint8Array(handle.getSize());
    handle.read(bytes, { at: 0 });
    return Journal.read(bytes, handle);
  }

  /** Throws where the head does not hold them, or cannot be written: they are as before then. */
  update(facts: Partial<Facts>): void {
    const all = { ...this.facts, ...facts };
    this.#writeHead(all);
    this.facts = all;
  }

  /** Blocks of the whole file; as far as it is there where its size is unknown. */
  get blocks(): number {
    return this.facts.size === undefined ? this.have.length : Math.ceil(this.facts.size / BLOCK);
  }

  /** Bytes that belong into a block. */
  lengthOf(block: number): number {
    return Math.min(BLOCK, (this.facts.size ?? Infinity) - block * BLOCK);
  }

  /** Whether each block is noted, and can be compared with its hash: a head alone may be all that a broken disk left. */
  get isComplete(): boolean {
    for (let block = 0; block < this.blocks; block++)
      if (this.have[block] !== this.lengthOf(block) || !this.hashes[block]) return false;
    return this.facts.size !== undefined;
  }

  get loaded(): number {
    return this.have.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** So much of a block has come; `note` writes that once it is on the disk. */
  setHave(block: number, bytes: number): void {
    while (this.have.length <= block) this.have.push(0);
    this.have[block] = bytes;
  }

  note(block: number): void {
    this.#write(new Uint8Array(Uint32Array.of(this.have[block]!).buffer), HEAD_BYTES + block * RECORD_BYTES);
  }

  setHash(block: number, hash: Uint8Array<ArrayBuffer>): void {
    this.hashes[block] = hash;
    this.#write(hash, HEAD_BYTES + block * RECORD_BYTES + 4);
  }

  /** What is missing, in order, in pieces of at most `most` bytes. */
  gaps(most = Infinity): Gap[] {
    const size = this.facts.size ?? 0;
    const gaps: Gap[] = [];
    for (let block = 0; block < this.blocks; block++) {
      const start = block * BLOCK + (this.have[block] ?? 0);
      const end = Math.min((block + 1) * BLOCK, size);
      if (start >= end) continue;
      const last = gaps.at(-1);
      if (last && last.end === start && end - last.start <= most) last.end = end;
      else gaps.push({ start, end });
    }
    return gaps;
  }

  flush(): void {
    this.#handle?.flush();
  }

  close(): void {
    this.#handle?.close();
    this.#handle = undefined;
  }

  #writeHead(facts: Facts): void {
    const bytes = new Uint8Array(HEAD_BYTES).fill(0x20);
    const { written, read } = new TextEncoder().encodeInto(JSON.stringify({ version: VERSION, ...facts }), bytes);
    if (written === HEAD_BYTES) throw new Error(`an address of more than ${read} letters cannot be kept`);
    this.#write(bytes, 0);
  }

  #write(bytes: Uint8Array, at: number): void {
    if (this.#handle) writeAll(this.#handle, bytes, at);
  }
}

/** Throws where not all of it is written: then the disk is full. */
export function writeAll(handle: Handle, bytes: Uint8Array, at: number): void {
  if (handle.write(bytes, { at }) !== bytes.length) throw new DOMException("the disk is full", "QuotaExceededError");
}

/** Whether these are no journal's first bytes, of any version. */
export function isNoHead(bytes: Uint8Array): boolean {
  try {
    return typeof JSON.parse(new TextDecoder().decode(bytes.subarray(0, HEAD_BYTES))).version !== "number";
  } catch {
    return true;
  }
}

/** The facts alone, of a journal's first bytes. */
export function readHead(bytes: Uint8Array): Facts | undefined {
  try {
    const { version, ...facts } = JSON.parse(new TextDecoder().decode(bytes.subarray(0, HEAD_BYTES)));
    const sound = version === VERSION && typeof facts.url === "string" && typeof facts.whole === "boolean";
    return sound ? facts : undefined;
  } catch {
    return undefined;
  }
}
