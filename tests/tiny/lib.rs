//! Tiny random models: seeded, the same bytes on every machine, made in milliseconds.
//!
//! `build(name)` gives one of [`MODELS`]; `tests/golden/tiny_NAME.json` holds what it must compute.
//! Weights are scaled so that logits spread over about ±10 and every layer changes them.

pub mod archs;
pub mod bad;
mod encoder_vocab;
pub mod encoders;
pub mod gguf;
mod layers;
mod other_vocab;
pub mod packed;
pub mod repository;
mod shapes;
pub mod vocab;

use gguf::{BF16, CODED, F16, F32, Gguf, Kind, QUANTIZED, Rng, Tensor, Value, random_weights};
use vocab::Vocab;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arch {
    Llama,
    Qwen2,
    Qwen3,
    Gemma3,
}

/// The types of the weight matrices; norms and biases are always F32.
#[derive(Clone, Copy, Debug)]
pub enum Types {
    All(Kind),
    /// Every role takes another quantized type, in the next layer the one three further on.
    Mixed,
    /// The same with the other types.
    Coded,
}

#[derive(Clone, Copy, Debug)]
pub struct Dims {
    pub n_embd: usize,
    pub n_heads: usize,
    pub n_kv_heads: usize,
    pub head_dim: usize,
    pub n_ff: usize,
    pub n_layers: usize,
}

/// One tiny model: a row of [`MODELS`].
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    pub name: &'static str,
    pub arch: Arch,
    pub dims: Dims,
    pub types: Types,
    pub tied: bool,
    pub vocab: Vocab,
    pub extra: Extra,
}

impl Spec {
    /// The sizes of a layer.
    pub fn layer(&self, layer: usize) -> Dims {
        match self.extra {
            Uneven => {
                let ((n_heads, n_kv_heads, head_dim), n_ff) = UNEVEN[layer];
                Dims { n_heads, n_kv_heads, head_dim, n_ff, ..self.dims }
            }
            _ => self.dims,
        }
    }
}

/// What a few of the models have on top.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Extra {
    Nothing,
    /// `rope_freqs.weight`, as Llama 3.1 has it.
    RopeFreqs,
    /// Linear RoPE scaling by this factor.
    Linear(f32),
    /// Logits are squashed by `cap * tanh(logit / cap)`.
    FinalSoftcap(f32),
    /// Every layer has sizes of its own: those of [`UNEVEN`].
    Uneven,
}

const fn dims(n_embd: usize, heads: (usize, usize, usize), n_ff: usize, n_layers: usize) -> Dims {
    Dims { n_embd, n_heads: heads.0, n_kv_heads: heads.1, head_dim: heads.2, n_ff, n_layers }
}

// Heads are (query heads, KV heads, head size). K-quants need rows of 256; the others take odd sizes on purpose.
const LLAMA: Dims = dims(64, (4, 2, 16), 96, 3);
const LLAMA3: Dims = dims(64, (4, 1, 32), 160, 2);
const QWEN2: Dims = dims(96, (4, 2, 24), 160, 3);
const QWEN3: Dims = dims(64, (4, 2, 32), 160, 3);
const GEMMA: Dims = dims(64, (4, 1, 32), 96, 7);
/// The heads and the inner width of each layer; the first layer's are those of the model's row.
const UNEVEN: [((usize, usize, usize), usize); 3] = [((4, 2, 16), 96), ((2, 1, 48), 160), ((6, 3, 16), 32)];
const BLOCK32: Dims = dims(96, (4, 2, 24), 160, 2);
const BLOCK256: Dims = dims(256, (4, 2, 64), 512, 2);
const MIXED_LLAMA: Dims = dims(256, (8, 2, 32), 256, 10);
const CODED_LLAMA: Dims = dims(256, (4, 2, 64), 256, 4);
const MIXED_QWEN2: Dims = dims(256, (4, 2, 64), 512, 4);
const MIXED_QWEN3: Dims = dims(256, (6, 2, 128), 512, 3);
const MIXED_GEMMA: Dims = dims(256, (2, 1, 128), 256, 7);

const SMOLLM: Vocab = Vocab::Bpe("smollm");

const fn model(
    name: &'static str,
    arch: Arch,
    dims: Dims,
    types: Types,
    tied: bool,
    vocab: Vocab,
    extra: Extra,
) -> Spec {
    Spec { name, arch, dims, types, tied, vocab, extra }
}

#[allow(clippy::enum_glob_use, reason = "the table below is read by columns")]
use {Arch::*, Extra::*, Types::*};

#[rustfmt::skip]
pub const MODELS: [Spec; 30] = [
    model("llama-f32",          Llama,  LLAMA,       All(F32),          false, SMOLLM,                  Nothing),
    model("llama-f16",          Llama,  LLAMA,       All(F16),          false, SMOLLM,                  Nothing),
    model("llama-bf16",         Llama,  LLAMA,       All(BF16),         false, SMOLLM,                  Nothing),
    model("llama-spm-f32",      Llama,  LLAMA,       All(F32),          true,  Vocab::Spm,              Nothing),
    model("llama-linear-f32",   Llama,  LLAMA,       All(F32),          true,  Vocab::Bpe("gpt-2"),     Linear(4.0)),
    model("llama-uneven-f32",   Llama,  LLAMA,       All(F32),          false, SMOLLM,                  Uneven),
    model("llama3-f32",         Llama,  LLAMA3,      All(F32),          true,  Vocab::Bpe("llama-bpe"), RopeFreqs),
    model("qwen2-f32",          Qwen2,  QWEN2,       All(F32),          false, Vocab::Bpe("qwen2"),     Nothing),
    model("qwen2-f16",          Qwen2,  QWEN2,       All(F16),          true,  Vocab::Bpe("qwen2"),     Nothing),
    model("qwen3-f32",          Qwen3,  QWEN3,       All(F32),          false, Vocab::Bpe("qwen2"),     Nothing),
    model("qwen3-f16",          Qwen3,  QWEN3,       All(F16),          true,  Vocab::Bpe("qwen2"),     Nothing),
    model("gemma3-f32",         Gemma3, GEMMA,       All(F32),          true,  Vocab::Gemma,            Nothing),
    model("gemma3-f16",         Gemma3, GEMMA,       All(F16),          true,  Vocab::Gemma,            Nothing),
    model("gemma3-linear-f32",  Gemma3, GEMMA,       All(F32),          false, Vocab::Gemma,            Linear(8.0)),
    model("gemma3-softcap-f32", Gemma3, GEMMA,       All(F32),          true,  Vocab::Gemma,            FinalSoftcap(6.0)),
    model("llama-q4_0",         Llama,  BLOCK32,     All(QUANTIZED[0]), false, SMOLLM,                  Nothing),
    model("llama-q4_1",         Llama,  BLOCK32,     All(QUANTIZED[1]), false, SMOLLM,                  Nothing),
    model("llama-q5_0",         Llama,  BLOCK32,     All(QUANTIZED[2]), false, SMOLLM,                  Nothing),
    model("llama-q5_1",         Llama,  BLOCK32,     All(QUANTIZED[3]), false, SMOLLM,                  Nothing),
    model("llama-q8_0",         Llama,  BLOCK32,     All(QUANTIZED[4]), false, SMOLLM,                  Nothing),
    model("llama-q2_k",         Llama,  BLOCK256,    All(QUANTIZED[5]), false, SMOLLM,                  Nothing),
    model("llama-q3_k",         Llama,  BLOCK256,    All(QUANTIZED[6]), false, SMOLLM,                  Nothing),
    model("llama-q4_k",         Llama,  BLOCK256,    All(QUANTIZED[7]), false, SMOLLM,                  Nothing),
    model("llama-q5_k",         Llama,  BLOCK256,    All(QUANTIZED[8]), false, SMOLLM,                  Nothing),
    model("llama-q6_k",         Llama,  BLOCK256,    All(QUANTIZED[9]), false, SMOLLM,                  Nothing),
    model("llama-mixed",        Llama,  MIXED_LLAMA, Mixed,             false, SMOLLM,                  Nothing),
    model("llama-coded",        Llama,  CODED_LLAMA, Coded,             false, SMOLLM,                  Nothing),
    model("qwen2-mixed",        Qwen2,  MIXED_QWEN2, Mixed,             true,  Vocab::Bpe("qwen2"),     Nothing),
    model("qwen3-mixed",        Qwen3,  MIXED_QWEN3, Mixed,             true,  Vocab::Bpe("qwen2"),     Nothing),
    model("gemma3-mixed",       Gemma3, MIXED_GEMMA, Mixed,             true,  Vocab::Gemma,            Nothing),
];

/// Positions that a Gemma layer of the sliding kind looks back on, itself included.
pub const WINDOW: u32 = 8;
pub const CONTEXT_LENGTH: u32 = 512;

/// The named model's bytes; `llama-f32@2of3` are those of its second file of three.
pub fn build(name: &str) -> Option<Vec<u8>> {
    let Some((name, part)) = name.split_once('@') else { return find(name).map(|spec| assemble(spec).to_bytes()) };
    let (no, count) = part.split_once("of")?;
    let row = || archs::ROWS.iter().find(|row| row.name == name).map(archs::Row::assemble);
    let files = find(name).map(assemble).or_else(row)?.split(count.parse().ok()?);
    Some(files.get(no.parse::<usize>().ok()?.checked_sub(1)?)?.to_bytes())
}

pub fn find(name: &str) -> Option<&'static Spec> {
    MODELS.iter().find(|m| m.name == name)
}

/// The named model before it is written, for tests that change something.
pub fn assemble(spec: &Spec) -> Gguf {
    let mut file = Gguf { version: 3, metadata: Vec::new(), tensors: Vec::new() };
    write_metadata(spec, &mut file);
    let n_vocab = vocab::write(spec.vocab, &mut file);
    Weights { spec, file: &mut file, layer: 0 }.write(n_vocab);
    file
}

fn write_metadata(spec: &Spec, file: &mut Gguf) {
    let d = &spec.dims;
    let arch = match spec.arch {
        Llama => "llama",
        Qwen2 => "qwen2",
        Qwen3 => "qwen3",
        Gemma3 => "gemma3",
    };
    file.set("general.architecture", Value::Str(arch.into()));
    file.set("general.name", Value::Str(format!("Tiny {}", spec.name)));
    file.set("general.quantization_version", Value::U32(2));
    let mut set = |key: &str, value: Value| file.set(&format!("{arch}.{key}"), value);
    set("block_count", Value::U32(d.n_layers as u32));
    set("context_length", Value::U32(CONTEXT_LENGTH));
    set("embedding_length", Value::U32(d.n_embd as u32));
    // Where layers are alike, a size is one number.
    let by_layer = |size: fn(&Dims) -> usize| match spec.extra {
        Uneven => Value::Ints((0..d.n_layers).map(|layer| size(&spec.layer(layer)) as i32).collect()),
        _ => Value::U32(size(d) as u32),
    };
    set("feed_forward_length", by_layer(|d| d.n_ff));
    set("attention.head_count", by_layer(|d| d.n_heads));
    set("attention.head_count_kv", by_layer(|d| d.n_kv_heads));
    if d.n_heads * d.head_dim != d.n_embd || spec.extra == Uneven {
        set("attention.key_length", by_layer(|d| d.head_dim));
        set("attention.value_length", by_layer(|d| d.head_dim));
    }
    // Larger than real models have it, so that a wrong epsilon shows.
    set("attention.layer_norm_rms_epsilon", Value::F32(1e-3));
    match spec.arch {
        Gemma3 => {
            set("rope.freq_base", Value::F32(1e6));
            set("attention.sliding_window", Value::U32(WINDOW));
        }
        _ => {
            set("rope.dimension_count", by_layer(|d| d.head_dim));
            set("rope.freq_base", Value::F32(if spec.arch == Llama { 5e3 } else { 1e4 }));
        }
    }
    match spec.extra {
        Linear(factor) => {
            set("rope.scaling.type", Value::Str("linear".into()));
            set("rope.scaling.factor", Value::F32(factor));
        }
        FinalSoftcap(cap) => set("final_logit_softcapping", Value::F32(cap)),
        _ => {}
    }
}

struct Weights<'a> {
    spec: &'a Spec,
    file: &'a mut Gguf,
    layer: usize,
}

impl Weights<'_> {
    fn write(&mut self, n_vocab: usize) {
        let spec = self.spec;
        let d = spec.dims;
        // A tied table is also the head: its deviation sets the spread of the logits. Gemma scales it up, so there
        // it is small and the last norm large: else every token would only predict itself.
        let (embedding, last_norm) = match (spec.arch, spec.tied) {
            (Gemma3, true) => (0.6, 5.0),
            (Gemma3, false) => (1.0, 1.0),
            (_, true) => (3.0, 1.0),
            (_, false) => (8.0, 1.0),
        };
        self.matrix("token_embd.weight", 0, d.n_embd, n_vocab, embedding);
        if spec.extra == RopeFreqs {
            let half = d.head_dim / 2;
            let factors = (0..half).map(|i| 1.0 + 7.0 * i as f32 / half as f32).collect();
            self.floats("rope_freqs.weight", factors);
        }
        for layer in 0..d.n_layers {
            self.layer = layer;
            let d = spec.layer(layer);
            let (q, kv) = (d.n_heads * d.head_dim, d.n_kv_heads * d.head_dim);
            let name = |role: &str| format!("blk.{layer}.{role}");
            self.norm(&name("attn_norm.weight"), d.n_embd, 1.0);
            self.matrix(&name("attn_q.weight"), 1, d.n_embd, q, 1.5);
            self.matrix(&name("attn_k.weight"), 2, d.n_embd, kv, 1.5);
            self.matrix(&name("attn_v.weight"), 3, d.n_embd, kv, 1.0);
            if spec.arch == Qwen2 {
                self.bias(&name("attn_q.bias"), q);
                self.bias(&name("attn_k.bias"), kv);
                self.bias(&name("attn_v.bias"), kv);
            }
            if matches!(spec.arch, Qwen3 | Gemma3) {
                self.norm(&name("attn_q_norm.weight"), d.head_dim, 1.5);
                self.norm(&name("attn_k_norm.weight"), d.head_dim, 1.0);
            }
            self.matrix(&name("attn_output.weight"), 4, q, d.n_embd, 1.0);
            if spec.arch == Gemma3 {
                self.norm(&name("post_attention_norm.weight"), d.n_embd, 1.0);
            }
            self.norm(&name("ffn_norm.weight"), d.n_embd, 1.0);
            self.matrix(&name("ffn_gate.weight"), 5, d.n_embd, d.n_ff, 1.5);
            self.matrix(&name("ffn_up.weight"), 6, d.n_embd, d.n_ff, 1.0);
            self.matrix(&name("ffn_down.weight"), 7, d.n_ff, d.n_embd, 1.0);
            if spec.arch == Gemma3 {
                self.norm(&name("post_ffw_norm.weight"), d.n_embd, 1.0);
            }
        }
        self.layer = 0;
        self.norm("output_norm.weight", d.n_embd, last_norm);
        if !spec.tied {
            self.matrix("output.weight", 8, d.n_embd, n_vocab, 3.0);
        }
    }

    /// A matrix of `rows` × `columns` that turns inputs of size 1 into outputs of size `gain`.
    fn matrix(&mut self, name: &str, role: usize, columns: usize, rows: usize, gain: f32) {
        let kind = match self.spec.types {
            All(kind) => kind,
            Mixed => QUANTIZED[(3 * self.layer + role) % QUANTIZED.len()],
            Coded => CODED[(3 * self.layer + role) % CODED.len()],
        };
        let deviation = gain / (columns as f32).sqrt();
        let data = random_weights(kind, rows * columns, deviation, &mut self.rng(name));
        self.tensor(name, vec![columns as u64, rows as u64], kind, data);
    }

    fn norm(&mut self, name: &str, n: usize, mean: f32) {
        let mut rng = self.rng(name);
        self.floats(name, (0..n).map(|_| mean * (1.0 + 0.25 * rng.symmetric())).collect());
    }

    fn bias(&mut self, name: &str, n: usize) {
        let mut rng = self.rng(name);
        self.floats(name, (0..n).map(|_| 0.5 * rng.symmetric()).collect());
    }

    fn floats(&mut self, name: &str, values: Vec<f32>) {
        let data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(name, vec![values.len() as u64], F32, data);
    }

    fn tensor(&mut self, name: &str, shape: Vec<u64>, kind: Kind, data: Vec<u8>) {
        self.file.tensors.push(Tensor { name: name.into(), shape, kind_id: kind.id, data, offset: None });
    }

    fn rng(&self, tensor: &str) -> Rng {
        Rng::named(&format!("{}/{tensor}", self.spec.name))
    }
}
