/**
 * Stands in for the wasm module where a test is about the JavaScript around it: any bytes that
 * start with the GGUF magic load; the prompt says how the reply goes.
 */
import type {
  Chat,
  Engine,
  Generation,
  Judgement,
  Loader as LoaderType,
  Text as TextType,
  TextLoader as TextLoaderType,
} from "../../www/worker/engine.js";
import type {
  BenchOptions,
  ChatRequest,
  CompletionRequest,
  Counted,
  EmbedOptions,
  FinishReason,
  GenerateOptions,
  LoadedAdapter,
  LoadOptions,
  ModelHeader,
  ModelInfo,
  Step,
  Verdict,
} from "../../www/wire/generated.js";
import type { EmbedInput, Message } from "../../www/wire/protocol.js";
import { FakeChat, counted } from "./fake-chat.js";
import { fakeRestorer, fakeSaver } from "./fake-saved.js";

export default async function init(): Promise<void> {}

/** In the place of `threads.ts` and `thread.ts`: a page has none. */
export const serveThread = () => {};
export const usableThreads = () => undefined;
export const startThreads = async () => ({ Loader });

const NOTHING = {
  lost: 0,
  loads: 0,
  past: 0,
  freed: 0,
  cancelled: 0,
  disposed: 0,
  pushed: 0,
  largest: 0,
  running: 0,
  most: 0,
  tokens: 0,
  drafts: 0,
};

/** What happened, for tests to look at. */
export const log = { ...NOTHING };

/** Before a test. */
export function clearLog(): void {
  Object.assign(log, NOTHING);
}

const fail = (code: string, message: string) => Object.assign(new Error(message), { name: "SottoError", code });
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export const REPLY = `Sure. A **bicycle** stays up because it keeps *steering under* its own fall:

1. It leans to one side.
2. The front wheel turns that way.
3. The wheels move back under the rider.

\`\`\`python
def balance(lean, speed):
    return lean / max(speed, 0.1)
\`\`\`

> Faster means steadier.

See [a longer text](https://example.org/bicycle) — and <b>this</b> is text, never a tag.
`;

export class Loader implements LoaderType {
  #head = "";
  #bytes = 0;
  #start = "";
  /** Files that say so run on one. */
  #card = false;
  static async create(_options: LoadOptions): Promise<Loader> {
    log.loads++;
    return new Loader();
  }
  push(chunk: Uint8Array): void {
    if (this.#head.length < 4) this.#head += new TextDecoder("latin1").decode(chunk.subarray(0, 4));
    if (this.#start.length < 64) this.#start += new TextDecoder("latin1").decode(chunk.subarray(0, 64));
    this.#card ||= this.#start.includes("graphics card");
    if (this.#head.length >= 4 && !this.#head.startsWith("GGUF"))
      throw fail("not_gguf", `This is not a GGUF file: it starts with "${this.#head}", not "GGUF".`);
    this.#bytes += chunk.length;
    log.pushed += chunk.length;
    log.largest = Math.max(log.largest, chunk.length);
  }
  push_part(): boolean {
    return true;
  }
  next_part(): number {
    return this.#bytes;
  }
  take_warning(): undefined {}
  set_reread(): void {}
  async drain(): Promise<void> {}
  /** By a header that says so: "GGUF, 64 bytes". */
  total_bytes(): number | undefined {
    const [, total] = this.#start.match(/^GGUF, (\d+) bytes/) ?? [];
    return total === undefined ? undefined : Number(total);
  }
  async finish(): Promise<Engine> {
    if (this.#bytes < 8) throw fail("truncated", `The file ends after ${this.#bytes} bytes.`);
    return new FakeEngine(this.#card);
  }
  free(): void {
    log.freed++;
  }
}

const CARD = {
  vendor: "acme",
  architecture: "",
  description: "Acme 3000",
  isSoftware: false,
  subgroups: true,
  f16: true,
  dot: true,
};

/** A character is a token. */
class FakeText {
  tokenize(text: string): Uint32Array {
    return Uint32Array.from(text, (c) => c.codePointAt(0)!);
  }
  detokenize(ids: number[]): string {
    return String.fromCodePoint(...ids);
  }
  pieces(ids: number[]): string[] {
    return ids.map((id) => String.fromCodePoint(id));
  }
  render_chat(messages: Message[]): string {
    return messages.map(({ role, content }) => `${role}: ${content}\n`).join("");
  }
  free(): void {
    log.freed++;
  }
}

/** A file's first eight bytes are its header. */
export class TextLoader implements TextLoaderType {
  #bytes = 0;
  push(chunk: Uint8Array): boolean {
    this.#bytes += chunk.length;
    log.pushed += chunk.length;
    return this.#bytes >= 8;
  }
  finish(): TextType {
    if (this.#bytes < 8) throw fail("truncated", `The file ends after ${this.#bytes} bytes.`);
    return new Text();
  }
  free(): void {}
}

export const cpu_rate = () => 1e9;

export class Text extends FakeText implements TextType {
  inspect(): Judgement {
    const verdict: Verdict = {
      runs: true,
      findings: [{ code: "fits", sentence: "It fits." }],
      backend: "cpu",
      memory: { weights: 1, cache: 2, activations: 3, program: 4, total: 10 },
      contextLength: 100,
      largestContext: 8192,
      tokensPerSecond: 5,
    };
    return { tools: false, thinking: false, languages: [], license: null, verdict };
  }
  static of_template(): Text {
    return new Text();
  }
  header(): ModelHeader {
    return {
      architecture: "llama",
      name: "Fake",
      kind: null,
      version: 3,
      fileBytes: 64,
      nParams: 0,
      nTensors: 0,
      types: [],
      contextLength: 8192,
      sizes: {},
      tokenizer: { model: "gpt2", pre: null, vocabSize: 49_152, addsBos: false, error: null },
      specialTokens: [],
      eosTokens: [2],
      chatTemplate: "{{ messages }}",
    };
  }
}

class FakeEngine extends FakeText implements Engine {
  #card: boolean;
  constructor(card: boolean) {
    super();
    this.#card = card;
  }
  info(): ModelInfo {
    return {
      architecture: "llama",
      name: "Fake 135M Instruct",
      nParams: 134_515_008,
      nLayers: 30,
      contextLength: 100,
      trainedContext: 8192,
      vocabSize: 49_152,
      quantization: "Q4_1",
      chatTemplate: true,
      ...(this.#card
        ? {
            backend: "webgpu" as const,
            backendReason: "WebGPU offers the graphics adapter 'Acme 3000'.",
            adapter: CARD,
            memory: { gpuBytes: 150_000_000, wasmBytes: 30_000_000 },
          }
        : {
            backend: "cpu" as const,
            backendReason: "The WebGPU adapter 'SwiftShader' is software.",
            adapter: null,
            memory: { gpuBytes: 0, wasmBytes: 180_000_000 },
          }),
      threads: 1,
      contextUsage: { tokens: log.tokens, contextLength: 100 },
      embedding: { dimensions: 4, pooling: "mean" as const, labels: ["calm", "glad"], mask: "[MASK]" },
      eosTokens: [2],
      sampling: { temperature: 0.6, topK: 20, topP: 0.95, minP: 0, repeatPenalty: 1, repeatLastN: 64 },
      tuning: ["q4_1 576x576 rows 1 fused = matvec subgroup 16"],
    };
  }
  stats() {
    return {
      requests: { running: log.running, waiting: 0, total: ++this.#asked },
      batch: { passes: 0, rows: 0, lastRows: 0, lastRequests: 0 },
      tokens: { prompt: 0, cached: 0, completion: 0, promptTps: 0, completionTps: 0 },
      cache: { used: 0, cells: 100, windowUsed: 0, windowCells: 0, texts: 0, evictions: 0 },
      speculation: { drafted: 0, accepted: 0 },
      experts: { wanted: 0, read: 0, bytes: 0 },
      memory: { gpuBytes: 0, wasmBytes: 0 },
    };
  }
  #asked = 0;
  generate(prompt: string | Message[], options: GenerateOptions, past: Uint32Array): Generation {
    const text = typeof prompt === "string" ? prompt : String(prompt.at(-1)!.content);
    if (text === "trap") throw new WebAssembly.RuntimeError("unreachable");
    if (text === "deep") throw new RangeError("Maximum call stack size exceeded");
    if (text.length > 2000)
      throw fail("prompt_too_long", "The prompt has 3000 tokens and the context holds 100; shorten it.");
    return new FakeGeneration(text, options.maxTokens ?? 1000, past);
  }
  prime(): Generation {
    return new FakeGeneration("", 0, new Uint32Array());
  }
  takes_grammars(): boolean {
    return false;
  }
  chat(request: ChatRequest, _grammars: undefined, past: Uint32Array): Chat {
    return new FakeChat(request, (text, most) => this.generate(text, { maxTokens: most }, past));
  }
  completion(request: CompletionRequest, past: Uint32Array): Chat {
    return new FakeChat(request, (text, most) => this.generate(text, { maxTokens: most }, past));
  }
  count(request: ChatRequest): Counted {
    return counted(request);
  }
  async draft_loader() {
    return new Loader();
  }
  set_draft(): void {
    log.drafts++;
  }
  save = fakeSaver;
  restore = fakeRestorer;
  words(): never {
    throw fail("internal", "The fake engine has no tokens for grammars.");
  }
  #adapters: LoadedAdapter[] = [];
  #arriving = { id: "", config: "", bytes: 0 };
  adapter_begin(id: string, config = ""): void {
    if (config.startsWith("broken")) throw fail("bad_adapter", "adapter_config.json is not JSON.");
    this.#arriving = { id, config, bytes: 0 };
  }
  adapter_push(chunk: Uint8Array): void {
    this.#arriving.bytes += chunk.length;
  }
  /** Its base model is what its config says. */
  async adapter_finish(): Promise<LoadedAdapter> {
    const { id, bytes, config } = this.#arriving;
    if (bytes === 0) throw fail("truncated", "The adapter's file is empty.");
    const info = { id, rank: 8, tensors: 2, bytes, baseModel: config || null };
    this.#adapters.push(info);
    return info;
  }
  adapter_give_up(): void {
    log.cancelled++;
  }
  adapter_unload(id: string): void {
    const at = this.#adapters.findIndex((adapter) => adapter.id === id);
    if (at < 0) throw fail("bad_option", `adapter names "${id}", which is not loaded.`);
    this.#adapters.splice(at, 1);
  }
  adapters(): LoadedAdapter[] {
    return this.#adapters;
  }
  #cancel = () => {};
  /** What takes until it is ended. */
  #endless(): Promise<never> {
    return new Promise((_, reject) => {
      this.#cancel = () => reject(fail("aborted", "The work was stopped by the caller."));
    });
  }
  cancel(): void {
    log.cancelled++;
    this.#cancel();
  }
  async score(text: string) {
    if (text === "endless") await this.#endless();
    return {
      tokens: Array.from(this.tokenize(text)),
      nllMean: 1,
      perplexity: Math.E,
      top: [[1, 2]] as [number, number][],
    };
  }
  /** A text's vector is how often it has each vowel. */
  async embed(texts: EmbedInput[], { pooling, prompt, dimensions }: EmbedOptions) {
    const width = dimensions ?? 4;
    const read = texts.map((text) => (typeof text === "string" ? `${prompt ?? ""}${text}` : this.detokenize(text)));
    if (read.includes("endless")) await this.#endless();
    const vectors = read.flatMap((text) => {
      const counts = ["a", "e", "i", "o"].map((vowel) => text.split(vowel).length - 1).slice(0, width);
      return pooling === "none" ? Array.from(text, () => counts).flat() : counts;
    });
    const tokens = Uint32Array.from(read, (text) => text.length);
    return [width, tokens, Float32Array.from(vectors)] as [number, Uint32Array, Float32Array];
  }
  /** How many of the query's words a text has; without one, two labels. */
  async scores(query: string | undefined, texts: string[]) {
    if (query === undefined) return texts.map((text) => [0, text.split("!").length - 1]);
    return texts.map((text) => [query.split(" ").filter((word) => text.includes(word)).length]);
  }
  /** A vowel, the likelier the more of it there is. */
  async fill(text: string, top = 5) {
    if (!text.includes("[MASK]")) throw fail("bad_option", "The text has 0 masked words; give one, written [MASK].");
    if (text.includes("endless")) await this.#endless();
    const vowels = ["a", "e", "i", "o"].map((token, id) => ({ token, id, score: text.split(token).length / 10 }));
    return vowels.sort((a, b) => b.score - a.score).slice(0, top);
  }
  async bench({ runs, genTokens }: BenchOptions) {
    if (runs === 1000 || genTokens === 256) await this.#endless();
    return {
      prefillTps: 1,
      decodeTps: 1,
      ttftMs: 1,
      dispatchesPerToken: 1,
      weightBytesPerToken: 1,
      kvBytesPerToken: 1,
      decodeGbps: 1,
      encodeUs: 1,
    };
  }
  dispose(): void {
    log.disposed++;
  }
}

class FakeGeneration implements Generation {
  #words: string[];
  #at = -1;
  #prompt: string;
  #max: number;
  #delay: number;
  #cancelled = false;
  /** Words that it need not make again; those that it made. */
  #past: number;
  #made: number[] = [];
  constructor(prompt: string, max: number, past: Uint32Array) {
    this.#past = past.length / 2;
    log.past = Math.max(log.past, this.#past);
    this.#prompt = prompt;
    this.#max = max;
    this.#delay = prompt.startsWith("fast") ? 0 : 12;
    this.#words = (prompt.startsWith("echo ") ? prompt.slice(5) : REPLY).match(/\s*\S+|\s+$/g)!;
    log.most = Math.max(log.most, ++log.running);
  }
  async next(): Promise<Step | undefined> {
    await sleep(this.#at < this.#past ? 0 : this.#delay);
    if (this.#prompt === "exit") globalThis.close();
    if (this.#prompt === "hang") await new Promise(() => {});
    // At the same word again and again, or after so many words each time.
    if (this.#prompt === "lost" && this.#at === 3) this.#lose();
    const [, every] = this.#prompt.match(/^lost every (\d+)/) ?? [];
    if (every && !this.#cancelled && this.#at >= this.#past + Number(every)) this.#lose();
    if (this.#cancelled) {
      const length = this.#at;
      this.#at = Infinity;
      return length === Infinity ? undefined : this.#end("abort", length);
    }
    if (this.#at++ < 0) return { progress: { phase: "prefill", loaded: 8, total: 8 } };
    const length = Math.min(this.#max, this.#words.length);
    if (this.#at <= length) {
      if (this.#at > this.#past) this.#made.push(0, this.#at);
      return { chunk: { text: this.#words[this.#at - 1]!, tokens: [this.#at] } };
    }
    if (this.#at > length + 1) return undefined;
    return this.#end(length < this.#words.length ? "length" : "stop", length);
  }
  sampled(): Uint32Array {
    return Uint32Array.from(this.#made.splice(0));
  }
  #lose(): never {
    log.lost++;
    throw fail("device_lost", "The GPU was lost; load the model again.");
  }
  #end(finishReason: FinishReason, length: number): Step {
    const none = { cachedTokens: 0, draftedTokens: 0, acceptedTokens: 0, shiftedTokens: 0 };
    return {
      chunk: {
        text: "",
        tokens: [],
        finishReason,
        timings: { ttftMs: 240, prefillMs: 200, prefillTps: 120, decodeMs: 1000, decodeTps: 31.4, ...none },
        usage: { promptTokens: 3, completionTokens: length },
        promptTokens: [1, 2, 3],
      },
    };
  }
  cancel(): void {
    log.cancelled++;
    this.#cancelled = true;
  }
  free(): void {
    log.running--;
  }
}
