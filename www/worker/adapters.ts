/** Adapters on their way to a model that is loaded: replies go on between their pieces. */
import { open } from "./fetch.js";
import { SottoError, aborted } from "../wire/errors.js";
import type { LoadedAdapter, Calls, SourceData } from "../wire/protocol.js";
import type { Ask } from "./sessions.js";

/** Bytes of adapter_config.json, at most. */
const MOST_TEXT = 1 << 20;
const PIECE = 1 << 20;

/** `run` does something with the engine when nothing else does. */
export async function loadAdapter(
  run: Ask,
  { id, source, config }: Calls["loadAdapter"]["args"],
  signal: AbortSignal,
): Promise<LoadedAdapter> {
  const text = typeof config === "object" ? await textOf(config, signal) : config;
  const { chunks } = await open(source, signal);
  await run((engine) => engine.adapter_begin(id, text));
  try {
    for await (const chunk of chunks)
      for (let at = 0; at < chunk.length; at += PIECE)
        await run((engine) => engine.adapter_push(chunk.subarray(at, at + PIECE)));
    if (signal.aborted) throw aborted("Loading the adapter", signal);
    return await run((engine) => engine.adapter_finish());
  } catch (thrown) {
    await run((engine) => engine.adapter_give_up()).catch(() => {});
    throw thrown;
  }
}

async function textOf(source: SourceData, signal: AbortSignal): Promise<string> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const chunk of (await open(source, signal)).chunks) {
    bytes += chunk.length;
    if (bytes > MOST_TEXT)
      throw new SottoError("bad_adapter", "The adapter's config is larger than any; give its adapter_config.json.");
    parts.push(chunk as Uint8Array<ArrayBuffer>);
  }
  return new Blob(parts).text();
}
