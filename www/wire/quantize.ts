/** What `sotto/compress` takes and gives, and what its worker is told. */
import type * as wire from "./generated.js";
import type { Loose, PageOptions, SourceData } from "./protocol.js";

/** What the matrices of a file can become. */
export type QuantizeType = Exclude<wire.LoadOptions["quantize"], "auto" | undefined>;

/** What `quantize` is told besides where the model is. */
export interface QuantizeOwn {
  /** What the model's matrices become. */
  type: QuantizeType;
  /** Where the file goes: into a stream, or into the browser's store, where `load` finds it. */
  to: WritableStream<Uint8Array> | "store";
  /** What it is called in the store: by default the model's name and the type. */
  name?: string;
  /** A file that llama.cpp's `llama-imatrix` wrote of this model: how much each column of a matrix counts. */
  importance?: Blob;
}

export interface QuantizeOptions
  extends Loose<
    QuantizeOwn &
      Pick<
        PageOptions,
        "signal" | "onProgress" | "onWarning" | "headers" | "cache" | "sha256" | "hub" | "workerUrl" | "wasmUrl"
      >
  > {
  type: QuantizeType;
  to: WritableStream<Uint8Array> | "store";
}

export interface QuantizeReport {
  /** The file's name. */
  name: string;
  /** What `load` finds it by, in the store. */
  url?: string;
  /** Bytes of the model that were read, and of the file that was written. */
  read: number;
  written: number;
  /** Of the file. */
  sha256: string;
  seconds: number;
}

/** A file that goes out through a port (see worker/drain.ts), or into the store. */
export type QuantizeTarget = { kind: "port"; port: MessagePort } | { kind: "store" };

/** What the worker is asked for. */
export interface QuantizeAsk {
  source: SourceData;
  type: string;
  name?: string;
  importance?: Blob;
  to: QuantizeTarget;
}
