/** SHA-256: of a block by the browser, off this thread; of a whole file as it arrives by a library, since browsers cannot. */
import { sha256 } from "@noble/hashes/sha2.js";

export async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

export const same = (a: Uint8Array, b: Uint8Array): boolean => a.every((byte, i) => byte === b[i]);

/** Of bytes that come in pieces. */
export class Hasher {
  #hash = sha256.create();

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** In hex; nothing can be added after. */
  end(): string {
    return Array.from(this.#hash.digest(), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
}
