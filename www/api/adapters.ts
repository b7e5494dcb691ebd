/** The LoRA adapters of a loaded model. */
import { readOptions } from "./arguments.js";
import type { Caller } from "./caller.js";
import { describe, transferred } from "./source.js";
import { SottoError } from "../wire/errors.js";
import type { LoadedAdapter, AdapterOptions, PageOptions, Source, SourceData } from "../wire/protocol.js";

/** What PEFT calls its files. */
const WEIGHTS = "adapter_model.safetensors";
const CONFIG = "adapter_config.json";

type With = Pick<PageOptions, "headers" | "sha256" | "hub">;

export class Adapters {
  #connection: Caller;

  /** Use `model.adapters`. */
  constructor(connection: Caller) {
    this.#connection = connection;
  }

  /**
   * Loads an adapter: a GGUF file, or PEFT's `adapter_model.safetensors` or the folder that it lies in, by address; its
   * `adapter_config.json` is looked for beside it. Of files that a user has picked, both are given in a list. Calls use it by
   * `adapter: { [id]: scale }`. Replies that are under way go on.
   */
  async load(source: Source, options: AdapterOptions): Promise<LoadedAdapter> {
    const { wire, page } = readOptions("adapters.load", options);
    const { id } = wire;
    if (!id) throw new SottoError("bad_option", "id is missing; give the adapter a name, which calls use it by.");
    const { signal, ...own } = page;
    const failed = new AbortController();
    const files = filesOf(source, own, failed.signal);
    const transfer = Object.values(files).flatMap(transferred);
    try {
      const args = { id, ...files };
      return await this.#connection.call("loadAdapter", args, { signal, what: "Loading the adapter", transfer });
    } catch (thrown) {
      failed.abort(thrown);
      throw thrown;
    }
  }

  /** Forgets an adapter, and what was read with it. Fails where a reply is under way with it. */
  async unload(id: string): Promise<void> {
    await this.#connection.call("unloadAdapter", { id: String(id) });
  }

  /** Those that are loaded, in the order in which they came. */
  list(): Promise<LoadedAdapter[]> {
    return this.#connection.call("adapters", {});
  }
}

function filesOf(source: Source, own: With, failed: AbortSignal): { source: SourceData; config?: SourceData } {
  const one = (from: Source, { sha256, ...rest }: With = own) =>
    describe(from, { cache: "none", ...rest, ...(sha256 && { sha256 }) }, failed);
  const beside = ({ sha256: _, ...rest }: With) => rest;
  if (Array.isArray(source)) {
    const config = source.find((file) => /\.json$/i.test((file as Partial<File>)?.name ?? ""));
    const others = source.filter((file) => file !== config);
    if (others.length !== 1 || !config)
      throw new SottoError(
        "bad_option",
        `An adapter in several files is ${WEIGHTS} and ${CONFIG}; this is another list.`,
      );
    return { source: one(others[0]!), config: one(config, beside(own)) };
  }
  const tag = Object.prototype.toString.call(source);
  if (typeof source === "string" || tag === "[object URL]") {
    const [, path, rest] = /^([^?#]*)(.*)$/s.exec(String(source))!;
    const file = path!.split("/").at(-1)!;
    if (!/\.gguf$/i.test(file) && !/^(hf|store|blob|data):/i.test(path!)) {
      const folder =
        file.includes(".") && path!.includes("/") ? path!.slice(0, -file.length) : `${path!.replace(/\/$/, "")}/`;
      const weights = file.includes(".") ? file : WEIGHTS;
      return { source: one(`${folder}${weights}${rest}`), config: one(`${folder}${CONFIG}${rest}`, beside(own)) };
    }
  }
  return { source: one(source) };
}
