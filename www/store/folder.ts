/** The folder of the origin that the store is in: what the browser's private file system gives, and tests fake. */

/** What is needed of a `FileSystemSyncAccessHandle`, which only workers have. */
export interface Handle {
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

export interface Folder {
  /** What the names of its data end with. */
  data: string;
  names(): Promise<string[]>;
  /** For writing, which nobody else can meanwhile; `shared`, for reading, which others may do too where browsers let them. */
  open(name: string, shared?: boolean): Promise<Handle>;
  /** What is in it now. */
  snapshot(name: string): Promise<File>;
  /** Fails while somebody has it open. */
  remove(name: string): Promise<void>;
}

/** What the store keeps, each in a folder of its own: the models, and what they have read. */
const FOLDERS = { sotto: ".gguf", "sotto-sessions": ".session" };

interface SyncFile {
  createSyncAccessHandle(options?: { mode: string }): Promise<Handle>;
}

/** Throws where there is none: in private windows of some browsers, and on pages that are not secure. */
export async function openFolder(name: keyof typeof FOLDERS = "sotto"): Promise<Folder> {
  if (!navigator.storage?.getDirectory)
    throw new Error(isSecureContext ? "this browser has no private files" : "the page is not secure");
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle(name, { create: true });
  return {
    data: FOLDERS[name],
    async names() {
      const names: string[] = [];
      for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
      return names;
    },
    async open(name, shared = false) {
      const file = (await folder.getFileHandle(name, { create: !shared })) as unknown as SyncFile;
      return file.createSyncAccessHandle(shared ? { mode: "read-only" } : undefined);
    },
    snapshot: async (name) => (await folder.getFileHandle(name)).getFile(),
    remove: (name) => folder.removeEntry(name),
  };
}
