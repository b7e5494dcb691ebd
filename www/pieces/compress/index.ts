/**
 * Makes a smaller file of a model, in the tab:
 *
 *     const { url } = await quantize("hf:owner/name", { type: "q4_k", to: "store" });
 *     const model = await load(url);
 */
import { type QuantizeOptions, type QuantizeReport, type Source, SottoError, quantizeInWorker } from "sotto";
import { drain } from "./drain.js";

export type { QuantizeOptions, QuantizeReport, QuantizeType } from "sotto";

/**
 * Quantises a model as its bytes come, in a worker of its own, and writes it as a GGUF file: into a stream, which is then closed,
 * or into the browser's store. `source` is whatever `load` takes. Rejects with a `SottoError`; then nothing is kept, and the
 * stream is aborted.
 */
export async function quantize(
  source: Source,
  options: QuantizeOptions & { to: "store" },
): Promise<QuantizeReport & { url: string }>;
export async function quantize(source: Source, options: QuantizeOptions): Promise<QuantizeReport>;
export async function quantize(source: Source, options: QuantizeOptions): Promise<QuantizeReport> {
  let writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  const begin = (stream: WritableStream<Uint8Array>) => {
    try {
      writer = stream.getWriter();
    } catch (cause) {
      const message = "The stream that is to be written to is taken by another writer; give a fresh one.";
      throw new SottoError("bad_option", message, { cause });
    }
    return drain(writer);
  };
  try {
    const report = await quantizeInWorker(source, options, begin);
    await writer?.close();
    return report;
  } catch (thrown) {
    await writer?.abort(thrown).catch(() => {});
    throw SottoError.from(thrown, "io", "The stream that is written to failed");
  }
}
