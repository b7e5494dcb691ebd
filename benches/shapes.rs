//! The sizes of well-known models, and which tensor types their common quantizations have.

#[allow(clippy::enum_glob_use, reason = "the tables below are read by columns")]
use sotto::quant::TensorType::{self, *};

/// From each model's `config.json` on Hugging Face, under the names of GGUF.
pub struct Shape {
    pub name: &'static str,
    /// The architecture that the model is built as.
    pub arch: &'static str,
    pub n_layers: u32,
    pub n_embd: u32,
    pub n_ff: u32,
    pub n_heads: u32,
    pub n_kv_heads: u32,
    pub head_dim: u32,
    pub n_vocab: u32,
    /// The embedding is the output matrix too.
    pub tied: bool,
    /// Of Gemma's local layers; 0: none.
    pub window: u32,
    /// What its layers have in place of attention.
    pub recurrent: Recurrent,
}

/// Layers that go on from a state.
#[derive(Clone, Copy)]
pub enum Recurrent {
    None,
    Mamba2 { heads: u32, head_dim: u32, state: u32, groups: u32 },
    Delta { heads: u32, keys: u32, head_dim: u32 },
}

/// Positions that convolutions look at, in all of them.
pub const TAPS: u32 = 4;

/// Qwen3 is built as `llama` with its own head size: what is missing is the norm of each head of Q and K, which is
/// done inside the RoPE kernel. Gemma 3 4B without its images, with the vocabulary that its GGUF files have. Of Qwen3.5 the
/// layers with delta nets alone, three of four.
#[rustfmt::skip]
pub const SHAPES: &[Shape] = &[
    // Qwen/Qwen3-0.6B
    Shape { name: "Qwen3-0.6B",   arch: "llama",  n_layers: 28, n_embd: 1024, n_ff: 3072,  n_heads: 16, n_kv_heads: 8, head_dim: 128, n_vocab: 151_936, tied: true,  window: 0, recurrent: Recurrent::None },
    // meta-llama/Llama-3.2-1B
    Shape { name: "Llama-3.2-1B", arch: "llama",  n_layers: 16, n_embd: 2048, n_ff: 8192,  n_heads: 32, n_kv_heads: 8, head_dim: 64,  n_vocab: 128_256, tied: true,  window: 0, recurrent: Recurrent::None },
    // meta-llama/Llama-3.2-3B
    Shape { name: "Llama-3.2-3B", arch: "llama",  n_layers: 28, n_embd: 3072, n_ff: 8192,  n_heads: 24, n_kv_heads: 8, head_dim: 128, n_vocab: 128_256, tied: true,  window: 0, recurrent: Recurrent::None },
    // meta-llama/Llama-3.1-8B
    Shape { name: "Llama-3.1-8B", arch: "llama",  n_layers: 32, n_embd: 4096, n_ff: 14_336, n_heads: 32, n_kv_heads: 8, head_dim: 128, n_vocab: 128_256, tied: false, window: 0, recurrent: Recurrent::None },
    // google/gemma-3-1b-pt
    Shape { name: "Gemma-3-1B",   arch: "gemma3", n_layers: 26, n_embd: 1152, n_ff: 6912,  n_heads: 4,  n_kv_heads: 1, head_dim: 256, n_vocab: 262_144, tied: true,  window: 512, recurrent: Recurrent::None },
    // google/gemma-3-4b-pt
    Shape { name: "Gemma-3-4B",   arch: "gemma3", n_layers: 34, n_embd: 2560, n_ff: 10_240, n_heads: 8,  n_kv_heads: 4, head_dim: 256, n_vocab: 262_144, tied: true,  window: 1024, recurrent: Recurrent::None },
    // state-spaces/mamba2-130m
    Shape { name: "Mamba2-130M",  arch: "mamba2", n_layers: 24, n_embd: 768,  n_ff: 0,     n_heads: 0,  n_kv_heads: 0, head_dim: 0,   n_vocab: 50_288,  tied: true,  window: 0, recurrent: Recurrent::Mamba2 { heads: 24, head_dim: 64, state: 128, groups: 1 } },
    // Qwen/Qwen3.5-0.8B
    Shape { name: "Qwen3.5-0.8B", arch: "qwen35", n_layers: 18, n_embd: 1024, n_ff: 3584,  n_heads: 8,  n_kv_heads: 2, head_dim: 256, n_vocab: 248_320, tied: true,  window: 0, recurrent: Recurrent::Delta { heads: 16, keys: 16, head_dim: 128 } },
];

/// Names of quantizations, as in files' names.
pub const QUANTS: [&str; 3] = ["Q4_K_M", "Q8_0", "Q4_0"];

impl Shape {
    /// The tensors of the shape's architecture, with their dimensions, the length of a row first; `{}` is the layer.
    pub fn tensors(&self) -> Vec<(&'static str, Vec<u64>)> {
        let (q, kv) = (self.n_heads * self.head_dim, self.n_kv_heads * self.head_dim);
        let (embd, ff, vocab) = (self.n_embd, self.n_ff, self.n_vocab);
        let mut tensors: Vec<(&str, Vec<u32>)> = vec![
            ("token_embd.weight", vec![embd, vocab]),
            ("output_norm.weight", vec![embd]),
            ("blk.{}.attn_norm.weight", vec![embd]),
        ];
        tensors.extend(match self.recurrent {
            Recurrent::None => vec![
                ("blk.{}.attn_q.weight", vec![embd, q]),
                ("blk.{}.attn_k.weight", vec![embd, kv]),
                ("blk.{}.attn_v.weight", vec![embd, kv]),
                ("blk.{}.attn_output.weight", vec![q, embd]),
                ("blk.{}.ffn_norm.weight", vec![embd]),
            ],
            Recurrent::Mamba2 { heads, head_dim, state, groups } => {
                let (inner, convolved) = (heads * head_dim, heads * head_dim + 2 * groups * state);
                vec![
                    ("blk.{}.ssm_in.weight", vec![embd, inner + convolved + heads]),
                    ("blk.{}.ssm_conv1d.weight", vec![TAPS, convolved]),
                    ("blk.{}.ssm_conv1d.bias", vec![convolved]),
                    ("blk.{}.ssm_dt.bias", vec![heads]),
                    ("blk.{}.ssm_a", vec![1, heads]),
                    ("blk.{}.ssm_d", vec![1, heads]),
                    ("blk.{}.ssm_norm.weight", vec![inner / groups, groups]),
                    ("blk.{}.ssm_out.weight", vec![inner, embd]),
                ]
            }
            Recurrent::Delta { heads, keys, head_dim } => {
                let (inner, convolved) = (heads * head_dim, (heads + 2 * keys) * head_dim);
                vec![
                    ("blk.{}.attn_gate.weight", vec![embd, inner]),
                    ("blk.{}.attn_qkv.weight", vec![embd, convolved]),
                    ("blk.{}.ssm_beta.weight", vec![embd, heads]),
                    ("blk.{}.ssm_alpha.weight", vec![embd, heads]),
                    ("blk.{}.ssm_conv1d.weight", vec![TAPS, convolved]),
                    ("blk.{}.ssm_dt.bias", vec![heads]),
                    ("blk.{}.ssm_a", vec![heads]),
                    ("blk.{}.ssm_norm.weight", vec![head_dim]),
                    ("blk.{}.ssm_out.weight", vec![inner, embd]),
                    ("blk.{}.post_attention_norm.weight", vec![embd]),
                ]
            }
        });
        if ff > 0 {
            tensors.push(("blk.{}.ffn_gate.weight", vec![embd, ff]));
            tensors.push(("blk.{}.ffn_up.weight", vec![embd, ff]));
            tensors.push(("blk.{}.ffn_down.weight", vec![ff, embd]));
        }
        if !self.tied {
            tensors.push(("output.weight", vec![embd, vocab]));
        }
        if self.arch == "gemma3" {
            tensors.push(("blk.{}.attn_q_norm.weight", vec![self.head_dim]));
            tensors.push(("blk.{}.attn_k_norm.weight", vec![self.head_dim]));
            tensors.push(("blk.{}.post_attention_norm.weight", vec![embd]));
            tensors.push(("blk.{}.post_ffw_norm.weight", vec![embd]));
        }
        tensors.into_iter().map(|(name, dims)| (name, dims.into_iter().map(u64::from).collect())).collect()
    }

    /// The type that llama.cpp's quantizer gives a tensor of [`Shape::tensors`] of these dimensions.
    pub fn kind(&self, quant: &str, name: &str, layer: u32, dims: &[u64]) -> TensorType {
        let [k, _] = *dims else { return F32 };
        if k < 32 || name.contains("ssm_norm") {
            return F32;
        }
        let is_output = name == "output.weight" || (name == "token_embd.weight" && self.tied);
        let is_cared_for = name.contains("attn_v") || name.contains("ffn_down");
        let kind = match quant {
            "Q8_0" => Q8_0,
            _ if is_output => Q6_K,
            "Q4_0" => Q4_0,
            _ if is_cared_for && more_bits(layer, self.n_layers) => Q6_K,
            _ => Q4_K,
        };
        // Rows that are no multiple of a K-quant's block take the next type with blocks of 32.
        match kind {
            _ if k.is_multiple_of(kind.block_len() as u64) => kind,
            Q4_K => Q5_0,
            _ => Q8_0,
        }
    }
}

/// Layers in which Q4_K_M spends more on V and the down projection: the first and last eighth, and every third between.
fn more_bits(layer: u32, n_layers: u32) -> bool {
    let eighth = n_layers / 8;
    layer < eighth || layer >= 7 * n_layers / 8 || (layer - eighth) % 3 == 2
}
