/** A file that comes into the store from its first byte on, as if it had been fetched. */
import type { Folder } from "../store/folder.js";
import { Hasher, digest } from "../store/hash.js";
import { BLOCK } from "../store/journal.js";
import { Kept, entries, remove } from "../store/kept.js";
import { SottoError, said } from "../wire/errors.js";
import { wrongHash } from "./stored.js";

export class Keeping {
  #folder: Folder;
  #kept: Kept;
  #hasher = new Hasher();
  /** The block that comes. */
  #block = new Uint8Array(BLOCK);
  #at = 0;

  private constructor(folder: Folder, kept: Kept) {
    this.#folder = folder;
    this.#kept = kept;
  }

  /** Throws `storage` where there is no room. */
  static async begin(folder: Folder, { url, name, size }: { url: string; name: string; size?: number }) {
    const facts = { url, name, whole: false, added: Date.now(), ...(size !== undefined && { size }) };
    const kept = await Kept.create(folder, facts).catch((cause) => {
      throw new SottoError(
        "storage",
        `There is no room for ${name} in the store (${said(cause)}); delete others first.`,
      );
    });
    return new Keeping(folder, kept);
  }

  /** The next bytes. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length; ) {
      const offset = this.#at % BLOCK;
      const piece = bytes.subarray(from, from + BLOCK - offset);
      this.#kept.write(this.#at, piece);
      this.#block.set(piece, offset);
      this.#hasher.update(piece);
      this.#at += piece.length;
      from += piece.length;
      if (this.#at % BLOCK === 0) await this.#note(BLOCK);
    }
  }

  /** The SHA-256 of a block, of which so many bytes are there. */
  async #note(bytes: number): Promise<void> {
    const hash = await digest(this.#block.subarray(0, bytes));
    this.#kept.journal.setHash(Math.ceil(this.#at / BLOCK) - 1, hash);
  }

  /** All of it is there; others of this address go. Gives its id and SHA-256; throws `checksum` where another was promised. */
  async end(promised?: string): Promise<{ id: string; sha256: string }> {
    if (this.#at % BLOCK > 0) await this.#note(this.#at % BLOCK);
    const { id, journal } = this.#kept;
    const sha256 = this.#hasher.end();
    if (promised !== undefined && sha256 !== promised) throw wrongHash(journal.facts.name, sha256, promised);
    this.#kept.end();
    // Before the one that it takes the place of goes.
    journal.flush();
    journal.update({ whole: true, sha256 });
    journal.flush();
    const { url } = journal.facts;
    this.#kept.close();
    for (const { id: other, facts } of await entries(this.#folder).catch(() => []))
      if (facts.url === url && facts.whole && other !== id) await remove(this.#folder, other).catch(() => {});
    return { id, sha256 };
  }

  /** It is not to be kept. */
  async remove(): Promise<void> {
    await this.#kept.remove();
  }
}
