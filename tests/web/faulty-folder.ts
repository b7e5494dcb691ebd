/** A folder whose calls are counted, one of which fails, or is the last of its page. */
import type { Folder, Handle } from "../../www/store/folder.js";
import type { FakeFolder } from "./fake-folder.js";

/**
 * What comes of a call: it fails; it writes less than it was given; its page is ended in its midst; the power is cut then, and with
 * it goes what was not flushed of data, or of journals.
 */
export type Fault = "fails" | "short" | "ends" | "data lost" | "journals lost";

export const FAULTS: readonly Fault[] = ["fails", "short", "ends", "data lost", "journals lost"];

export interface FaultyFolder extends Folder {
  /** What was called so far: what and on which kind of file. */
  calls: string[];
  ended: boolean;
  /** The page is left: what it has open is closed. */
  leave(): void;
}

const ERRORS: Record<string, string> = { write: "QuotaExceededError", truncate: "QuotaExceededError" };

/** A page's view of a folder: at its call `at`, counted from 1, there is a `fault`. */
export function faultyFolder(folder: FakeFolder, fault?: Fault, at = 0): FaultyFolder {
  const open = new Set<Handle>();
  /** What a power cut leaves of files that were written. */
  const flushed = new Map<string, Uint8Array>();
  const isJournal = (name: string) => name.endsWith(".journal");
  const endPage = () => {
    self.ended = true;
    for (const handle of open) handle.close();
    for (const [name, bytes] of flushed) {
      const file = folder.files.get(name);
      if (!file || (fault !== "data lost" && fault !== "journals lost")) continue;
      if (isJournal(name) !== (fault === "journals lost")) continue;
      // The size may be known to the disk before what is in it.
      file.bytes.fill(0);
      file.bytes.set(bytes.subarray(0, file.bytes.length));
    }
  };
  // Of what is missing nobody asks again and again.
  const gone = () => new DOMException("fake: the page has ended", "NotFoundError");
  /** Whether the fault is at this call: what happens to it is up to the call. */
  const struck = (call: string, name: string): boolean => {
    if (self.ended) throw gone();
    self.calls.push(`${call} ${isJournal(name) ? "journal" : name && "data"}`.trim());
    return self.calls.length === at && fault !== undefined;
  };
  /** A call that is done whole, or not at all. */
  const whole = (call: string, name: string): void => {
    if (!struck(call, name) || fault === "short") return;
    if (fault !== "fails") {
      endPage();
      throw gone();
    }
    throw new DOMException(`fake: ${call}`, ERRORS[call] ?? "UnknownError");
  };
  const held = (name: string, handle: Handle): Handle => {
    open.add(handle);
    return {
      read(into, where) {
        whole("read", name);
        return handle.read(into, where);
      },
      write(bytes, where) {
        if (!struck("write", name)) return handle.write(bytes, where);
        const half = bytes.length >> 1;
        handle.write(bytes.subarray(0, half), where);
        if (fault === "short") return half;
        if (fault !== "fails") endPage();
        throw fault === "fails" ? new DOMException("fake: write", ERRORS.write) : gone();
      },
      truncate(size) {
        whole("truncate", name);
        handle.truncate(size);
      },
      getSize() {
        whole("size", name);
        return handle.getSize();
      },
      flush() {
        whole("flush", name);
        handle.flush();
        flushed.set(name, folder.files.get(name)!.bytes.slice());
      },
      close() {
        // A page that has ended has closed it.
        if (self.ended) return;
        whole("close", name);
        open.delete(handle);
        handle.close();
      },
    };
  };
  const self: FaultyFolder = {
    calls: [],
    ended: false,
    leave() {
      self.ended = true;
      for (const handle of open) handle.close();
    },
    data: folder.data,
    async names() {
      whole("names", "");
      return folder.names();
    },
    async open(name, shared) {
      whole("open", name);
      const isNew = !folder.files.has(name);
      const handle = await folder.open(name, shared);
      if (!shared && !flushed.has(name))
        flushed.set(name, isNew ? new Uint8Array() : folder.files.get(name)!.bytes.slice());
      return held(name, handle);
    },
    async snapshot(name) {
      whole("snapshot", name);
      return folder.snapshot(name);
    },
    async remove(name) {
      whole("remove", name);
      return folder.remove(name);
    },
  };
  return self;
}
