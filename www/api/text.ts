/** A model's tokenizer, chat template and header, as a page holds them. */
import { Connection } from "./connection.js";
import { Loaded } from "./loaded.js";
import { transferred } from "./source.js";
import { workersOf } from "./start.js";
import type { Endpoint } from "./workers.js";
import { SottoError } from "../wire/errors.js";
import type { Calls, ModelHeader, TextOptions } from "../wire/protocol.js";

/** Reads a model's header through a worker that `start` starts. */
export async function connectText(
  start: () => Endpoint,
  args: Calls["loadText"]["args"],
  { signal, workerUrl, wasmUrl }: TextOptions,
): Promise<ModelText> {
  const connection = new Connection(workersOf(start, workerUrl), wasmUrl?.toString());
  const transfer = "source" in args ? transferred(args.source) : [];
  try {
    return new ModelText(
      connection,
      await connection.call("loadText", args, { what: "Reading the model", signal, transfer }),
    );
  } catch (thrown) {
    void connection.end(SottoError.from(thrown));
    throw thrown;
  }
}

/** What can be done with a model's text without its weights. It lives in a worker until `dispose()`. */
export class ModelText extends Loaded {
  readonly header: ModelHeader;

  /** Use `loadText()`. */
  constructor(connection: Connection, header: ModelHeader) {
    super(connection);
    this.header = header;
  }
}
