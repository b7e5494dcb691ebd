/** A model's bytes into its loader, file by file. */
import { type ErrorCode, SottoError } from "../wire/errors.js";
import type { Progress, SourceData } from "../wire/protocol.js";
import type { Loader } from "./engine.js";
import { open } from "./fetch.js";
import { othersOf, readHead } from "./parts.js";
import type { Reporter } from "./progress.js";
import { type Patience, sentence } from "./remote.js";
import { readAgain } from "./reread.js";
import type { Feed, Tell } from "./stored.js";

/** Bytes given to the engine before waiting for the device to take them. */
const DRAIN_EVERY = 16 << 20;
const PIECE = 1 << 20;

/** What no other device or option makes a model of: it is not kept. */
const USELESS: ErrorCode[] = [
  "not_gguf",
  "unsupported_version",
  "bad_header",
  "bad_metadata",
  "not_a_model",
  "unsupported_architecture",
  "unsupported_tensor_type",
  "missing_tensor",
  "bad_shape",
  "unsupported_tokenizer",
];

/** Who hears of it, and how long a server is waited for. */
interface To {
  reporter: Reporter;
  tell: Tell;
  patience: Patience;
  /** After each piece. */
  warn(): void;
}

/** A loader that may give its place to another while the header comes. */
interface Filled {
  readonly loader: Loader;
  push<T>(chunk: Uint8Array, push: (loader: Loader, chunk: Uint8Array) => T): Promise<T>;
}

/** One that stays. */
export const fixed = (loader: Loader): Filled => ({ loader, push: async (chunk, push) => push(loader, chunk) });

/** `opening`: of the first file. Gives how many bytes there were, and should be. */
export async function fill(
  filled: Filled,
  source: SourceData,
  opening: Promise<Feed>,
  signal: AbortSignal,
  { reporter, patience, tell, warn }: To,
): Promise<{ loaded: number; total: number | undefined }> {
  const first = await opening;
  const others = othersOf(source, first.address);
  for (const other of others)
    await readHead(other, signal, (chunk) => filled.push(chunk, (loader, bytes) => loader.push_part(bytes)));
  // As the first is kept, so will the others be.
  const files = [first];
  if (first.file) {
    const again = readAgain(files);
    await filled.push(new Uint8Array(), (loader) => loader.set_reread(again));
  }
  let loaded = 0;
  let total = others.length > 0 ? undefined : first.total;
  let undrained = 0;
  for (const [index, of] of [source, ...others].entries()) {
    const before = index > 0 ? filled.loader.next_part() : 0;
    const shifted = {
      ...tell,
      progress: (phase: Progress["phase"], bytes: number) => reporter.tell(phase, before + bytes, total),
    };
    const feed = index > 0 ? await open(of, signal, { tell: shifted, patience }) : first;
    files[index] = feed;
    reporter.facts = { file: feed.name, fromCache: feed.fromCache };
    loaded = before;
    const report = () => {
      const arriving = feed.arriving();
      const arrived = arriving ? feed.loaded?.() : undefined;
      reporter.tell(arriving ? "download" : "upload", arrived ? before + arrived : loaded, total);
    };
    report();
    try {
      for await (const chunk of feed.chunks) {
        const whole = filled.loader.total_bytes();
        // What a server sends beyond the model, or a stream that never ends, is not waited for.
        if (whole === undefined || loaded < whole) await filled.push(chunk, pushPieces);
        else if (!feed.kept) break;
        warn();
        loaded += chunk.length;
        undrained += chunk.length;
        total = filled.loader.total_bytes() ?? total;
        report();
        if (loaded >= total! && !feed.kept) break;
        if (undrained >= DRAIN_EVERY) {
          await filled.loader.drain();
          undrained = 0;
        }
      }
    } catch (thrown) {
      const { code } = SottoError.read(thrown) ?? {};
      if (code && USELESS.includes(code)) await feed.discard?.();
      throw code === "not_gguf" ? named(thrown, feed) : thrown;
    }
  }
  return { loaded, total };
}

/** The engine does not know where the bytes came from. */
function named(thrown: unknown, { address, name }: Feed): unknown {
  if (thrown instanceof SottoError) return thrown;
  const { message } = thrown as { message: string };
  const what = message.replace(/^This/, address ?? sentence(name)).replace(/\.$/, "");
  return new SottoError("not_gguf", `${what}; give the .gguf file itself.`, { cause: thrown });
}

/** The program takes a copy of what it is given: of a piece at a time. */
function pushPieces(loader: Loader, chunk: Uint8Array): void {
  for (let at = 0; at < chunk.length; at += PIECE) loader.push(chunk.subarray(at, at + PIECE));
}
