// What it takes to read a repository of safetensors: a made one of so many GB of BF16 goes through the built module, a piece at a
// time, as it does in a page's worker. Tells the rate of each type and the most memory that the module had.
//   node tools/eval/repository.mjs [--gb 2] [--quantize q8_0,q4_0,bf16]
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, tool } from "../setup.mjs";

const { values } = parseArgs({
  options: { gb: { type: "string", default: "2" }, quantize: { type: "string", default: "q8_0,q4_0,bf16" } },
});

/** As one of a billion weights has them. */
const [STREAM, WIDE, HEADS] = [2048, 8192, 32];
const TOKENIZER = readFileSync(join(ROOT, "tests", "golden", "tokenizer_json", "smollm.json"));
const VOCABULARY = Object.keys(JSON.parse(TOKENIZER).model.vocab).length;

/** A layer's tensors, [rows, length of a row] each. */
const LAYER = {
  "input_layernorm.weight": [STREAM],
  "self_attn.q_proj.weight": [STREAM, STREAM],
  "self_attn.k_proj.weight": [STREAM, STREAM],
  "self_attn.v_proj.weight": [STREAM, STREAM],
  "self_attn.o_proj.weight": [STREAM, STREAM],
  "post_attention_layernorm.weight": [STREAM],
  "mlp.gate_proj.weight": [WIDE, STREAM],
  "mlp.up_proj.weight": [WIDE, STREAM],
  "mlp.down_proj.weight": [STREAM, WIDE],
};

const product = (shape) => shape.reduce((all, size) => all * size, 1);
const OF_LAYER = Object.values(LAYER).reduce((sum, shape) => sum + 2 * product(shape), 0);

/** The header of the weights, and how many bytes follow it. */
function header(layers) {
  const tensors = {};
  let at = 0;
  const add = (name, shape) => {
    const end = at + 2 * product(shape);
    tensors[name] = { dtype: "BF16", shape, data_offsets: [at, end] };
    at = end;
  };
  add("model.embed_tokens.weight", [VOCABULARY, STREAM]);
  for (let i = 0; i < layers; i++)
    for (const [name, shape] of Object.entries(LAYER)) add(`model.layers.${i}.${name}`, shape);
  add("model.norm.weight", [STREAM]);
  const json = Buffer.from(JSON.stringify(tensors));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return { head: Buffer.concat([length, json]), rest: at };
}

/** Numbers around 0 that are no pattern, as BF16: a sign, an exponent near that of 0.02, and the rest. */
function numbers(bytes) {
  const out = new Uint16Array(bytes / 2);
  let state = 1;
  for (let i = 0; i < out.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    out[i] = ((state >>> 16) & 0x807f) | ((120 + ((state >>> 9) & 3)) << 7);
  }
  return new Uint8Array(out.buffer);
}

await tool(async () => {
  const layers = Math.max(1, Math.round((Number(values.gb) * 1e9) / OF_LAYER));
  const config = {
    architectures: ["LlamaForCausalLM"],
    hidden_act: "silu",
    hidden_size: STREAM,
    intermediate_size: WIDE,
    max_position_embeddings: 2048,
    num_attention_heads: HEADS,
    num_hidden_layers: layers,
    num_key_value_heads: HEADS,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: true,
    vocab_size: VOCABULARY,
  };
  const module = new WebAssembly.Module(readFileSync(join(ROOT, "dist", "sotto_repository_bg.wasm")));
  const { initSync, Repository } = await import(join(ROOT, "www", "wasm-repository", "sotto_repository.js"));
  const { memory } = initSync({ module });
  const piece = numbers(1 << 20);
  console.log("| quantize | GB in | GB out | seconds | MB/s | MB of memory |\n| --- | --- | --- | --- | --- | --- |");
  for (const quantize of values.quantize.split(",")) {
    const repository = new Repository("made", quantize);
    repository.add("config.json", Buffer.from(JSON.stringify(config)));
    repository.add("tokenizer.json", TOKENIZER);
    repository.weights();
    const { head, rest } = header(layers);
    repository.push_head(head);
    let out = repository.start().length;
    const begun = performance.now();
    out += repository.push(head).length;
    for (let at = 0; at < rest; at += piece.length)
      out += repository.push(piece.subarray(0, Math.min(piece.length, rest - at))).length;
    repository.next_file();
    const seconds = (performance.now() - begun) / 1000;
    if (out !== repository.total()) throw new Error(`${out} bytes came out, of ${repository.total()}.`);
    repository.free();
    const row = [rest / 1e9, out / 1e9, seconds].map((number) => number.toFixed(2));
    console.log(
      `| ${quantize} | ${row.join(" | ")} | ${(rest / 1e6 / seconds).toFixed(0)} | ${(memory.buffer.byteLength / 1e6).toFixed(1)} |`,
    );
  }
});
