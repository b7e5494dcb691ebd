/** The browser's private file system, in memory. */
import type { Folder, Handle } from "../../www/store/folder.js";

export interface FakeFolder extends Folder {
  files: Map<string, { bytes: Uint8Array<ArrayBuffer>; open: number; writing: boolean }>;
  /** Bytes that it holds at most. */
  room: number;
}

export function fakeFolder(): FakeFolder {
  const files: FakeFolder["files"] = new Map();
  const fail = (name: string) => new DOMException(`fake: ${name}`, name);
  const at = (name: string) => {
    const file = files.get(name);
    if (!file) throw fail("NotFoundError");
    return file;
  };
  const folder: FakeFolder = {
    files,
    data: ".gguf",
    room: Infinity,
    names: async () => [...files.keys()],
    async open(name, shared = false): Promise<Handle> {
      if (!shared && !files.has(name)) {
        const buffer = new ArrayBuffer(0, { maxByteLength: 1 << 26 });
        files.set(name, { bytes: new Uint8Array(buffer), open: 0, writing: false });
      }
      const file = at(name);
      if (file.writing || (!shared && file.open > 0)) throw fail("NoModificationAllowedError");
      file.open++;
      file.writing = !shared;
      const grow = (size: number) => {
        if (size > folder.room) throw fail("QuotaExceededError");
        file.bytes.buffer.resize(size);
      };
      let isOpen = true;
      return {
        read(into, { at }) {
          const part = file.bytes.subarray(at, at + into.length);
          into.set(part);
          return part.length;
        },
        write(bytes, { at }) {
          if (!isOpen) throw fail("InvalidStateError");
          if (at + bytes.length > folder.room) throw fail("QuotaExceededError");
          if (at + bytes.length > file.bytes.length) grow(at + bytes.length);
          file.bytes.set(bytes, at);
          return bytes.length;
        },
        truncate: grow,
        getSize: () => file.bytes.length,
        flush() {},
        close() {
          if (isOpen) file.open--;
          isOpen = false;
          if (!shared) file.writing = false;
        },
      };
    },
    snapshot: async (name) => new File([at(name).bytes.slice()], name),
    async remove(name) {
      if (at(name).open > 0) throw fail("NoModificationAllowedError");
      files.delete(name);
    },
  };
  return folder;
}

/** Another with the same files, none of them open. */
export function copyOf({ files, data }: FakeFolder): FakeFolder {
  const copy = { ...fakeFolder(), data };
  for (const [name, { bytes }] of files) {
    const buffer = new ArrayBuffer(bytes.length, { maxByteLength: 1 << 26 });
    const same = new Uint8Array(buffer);
    same.set(bytes);
    copy.files.set(name, { bytes: same, open: 0, writing: false });
  }
  return copy;
}

/** Locks as browsers have them, as far as the store needs. */
export function fakeLocks(): Pick<LockManager, "request"> {
  const tails = new Map<string, Promise<unknown>>();
  const request = async (name: string, options: LockOptions, use: (lock: Lock | null) => unknown) => {
    if (options.ifAvailable && tails.has(name)) return use(null);
    const before = tails.get(name) ?? Promise.resolve();
    const mine = before.then(() => use({ name, mode: "exclusive" }));
    const tail: Promise<unknown> = mine.catch(() => {}).then(() => tails.get(name) === tail && tails.delete(name));
    tails.set(name, tail);
    return mine;
  };
  return { request: request as LockManager["request"] };
}
