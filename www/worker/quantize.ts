/** Quantises a model's file as its bytes come, for `sotto/compress`: into a stream of the page, or into the store. */
import { type Folder, openFolder } from "../store/folder.js";
import { Hasher } from "../store/hash.js";
import { type ErrorCode, SottoError, aborted, said } from "../wire/errors.js";
import type { Calls } from "../wire/protocol.js";
import type { QuantizeReport } from "../wire/quantize.js";
import { portWriter } from "./drain.js";
import { open } from "./fetch.js";
import { isRepository } from "./hub.js";
import { Keeping } from "./keeping.js";
import { leave, othersOf } from "./parts.js";
import { pause } from "./pause.js";
import { Reporter } from "./progress.js";
import { unlessAborted } from "./queue.js";
import { type Repositories, converting, pieces } from "./repository.js";
import { unusable } from "./sessions.js";

/** A GGUF file that becomes one in another type. */
interface Requantizer {
  /** What the next bytes of the file become. */
  push(bytes: Uint8Array): Uint8Array;
  /** Bytes of the file that is made, once they are known. */
  total(): number | undefined;
  /** The file has ended. */
  finish(): void;
  free(): void;
}

/** What makes them; of the module of repositories. */
export interface Requantizers {
  new (type: string, importance: Uint8Array | undefined): Requantizer;
  /** Throws where matrices are not written in a type of this name. */
  check(type: string): void;
}

/** Fetched when first asked for. */
export interface QuantizeModules {
  startRepositories(): Promise<Repositories>;
  startRequantizers(): Promise<Requantizers>;
}

interface To {
  signal: AbortSignal;
  emit(event: Calls["quantize"]["event"]): void;
  openStore?: typeof openFolder;
}

/** Where a file goes. */
interface Sink {
  /** Before the first byte, with how many there will be, as far as is known. */
  begin(total: number | undefined): Promise<void>;
  write(bytes: Uint8Array): Promise<void>;
  /** Gives the SHA-256. */
  end(): Promise<string>;
  /** Nothing of it is to stay. */
  drop(): Promise<void>;
}

const WHAT = "The quantising";

export async function quantize(
  { source, type, name: wanted, importance, to }: Calls["quantize"]["args"],
  modules: QuantizeModules,
  { signal, emit, openStore = openFolder }: To,
): Promise<QuantizeReport> {
  const started = performance.now();
  const Requantizer = await unlessAborted(modules.startRequantizers(), WHAT, signal);
  Requantizer.check(type);
  const matrix = importance && new Uint8Array(await importance.arrayBuffer());
  const folder = to.kind === "store" ? await openStore().catch(unusable) : undefined;
  const reporter = new Reporter((progress) => emit({ progress }));
  const tell = {
    progress: reporter.tell.bind(reporter),
    warn: (code: ErrorCode, message: string) => emit({ warning: { code, message } }),
  };
  const convert = converting(() => modules.startRepositories());
  const made = isRepository(source) && { quantize: type, importance: matrix };
  const requantizer = made ? undefined : new Requantizer(type, matrix);
  try {
    const feed = await open(source, signal, { tell, openStore, convert, ...made });
    const name = wanted ?? `${feed.name.replace(/\.gguf$/i, "")}-${type.toUpperCase()}.gguf`;
    const url = `store:${name}`;
    const sink = to.kind === "port" ? intoPort(to.port, signal) : intoStore(folder!, url, name);
    let [read, written] = [0, 0];
    try {
      if (othersOf(source, feed.address).length > 0)
        throw new SottoError(
          "bad_option",
          "A model in several files is not quantised; join them, or take its repository.",
        );
      reporter.facts = { file: name, fromCache: feed.fromCache };
      let begun = false;
      const total = () => (requantizer ? requantizer.total() : feed.total);
      for await (const chunk of feed.chunks) {
        for (const piece of pieces(chunk)) {
          // Here it is heard of an abort.
          await pause();
          if (signal.aborted) throw aborted(WHAT, signal);
          const bytes = requantizer ? requantizer.push(piece) : piece;
          read += piece.length;
          if (bytes.length === 0) continue;
          if (!begun) await sink.begin(total());
          begun = true;
          // What is sent along is empty after.
          written += bytes.length;
          await sink.write(bytes);
          if (feed.arriving()) reporter.tell("download", feed.loaded?.() ?? read, feed.total);
          else reporter.tell("write", written, total());
        }
      }
      requantizer?.finish();
      const sha256 = await sink.end();
      reporter.tell("ready", written, written);
      reporter.flush();
      const seconds = (performance.now() - started) / 1000;
      return { name, ...(folder && { url }), read: feed.read?.() ?? read, written, sha256, seconds };
    } catch (error) {
      await leave(feed).catch(() => {});
      await sink.drop();
      throw error;
    }
  } finally {
    reporter.stop();
    requantizer?.free();
  }
}

function intoPort(port: MessagePort, signal: AbortSignal): Sink {
  const hasher = new Hasher();
  const write = portWriter(port);
  return {
    begin: async () => {},
    async write(bytes) {
      hasher.update(bytes);
      await unlessAborted(write(bytes), WHAT, signal);
    },
    end: async () => hasher.end(),
    drop: async () => port.close(),
  };
}

function intoStore(folder: Folder, url: string, name: string): Sink {
  let keeping: Keeping | undefined;
  const full = (cause: unknown) =>
    cause instanceof SottoError
      ? cause
      : new SottoError("storage", `${name} cannot be kept in the store (${said(cause)}); delete others first.`, {
          cause,
        });
  return {
    async begin(total = 0) {
      const { quota = Infinity, usage = 0 } = (await navigator.storage.estimate?.()) ?? {};
      const free = Math.max(0, quota - usage);
      if (total > free) throw full(`it takes ${total} bytes, and ${free} are free`);
      keeping = await Keeping.begin(folder, { url, name });
    },
    write: (bytes) =>
      keeping!.write(bytes).catch((cause) => {
        throw full(cause);
      }),
    async end() {
      const { sha256 } = await keeping!.end();
      keeping = undefined;
      return sha256;
    },
    async drop() {
      await keeping?.remove();
    },
  };
}
