//! The one table of architectures. Adding a model that is made of known parts is adding a row.

use super::{Activation, Role};

/// What sets one architecture's forward pass apart, beyond what its file says.
pub struct Architecture {
    /// `general.architecture` in the file, and the prefix of its metadata keys.
    pub name: &'static str,
    /// RoPE pairs dimension i with i + n/2 (NEOX) instead of 2i with 2i + 1.
    pub rope_neox: bool,
    /// The RoPE base where the file gives none.
    pub rope_theta: f32,
    pub activation: Activation,
    /// Embeddings are multiplied by sqrt(n_embd).
    pub scale_embd: bool,
    /// Layers alternate between a sliding window and the whole context.
    pub sliding: Option<Sliding>,
    /// In a model of this many layers, attention is scaled by 1/sqrt(n_embd / n_heads) instead of
    /// 1/sqrt(head_dim): the file does not say so itself.
    pub wide_attn_scale: Option<u32>,
    /// Tensors beyond [`COMMON`] that must be there.
    pub required: &'static [Role],
    /// Groups of tensors, each there in full (in every layer) or not at all.
    pub optional: &'static [&'static [Role]],
}

/// The pattern of layers with a sliding window.
pub struct Sliding {
    /// Every so many layers, the last one sees the whole context.
    pub period: u32,
    /// RoPE base of the layers with a window where the file gives none; their positions are
    /// never scaled.
    pub rope_theta: f32,
}

/// Tensors of every architecture.
pub const COMMON: &[Role] = &[
    Role::TokenEmbd,
    Role::OutputNorm,
    Role::AttnNorm,
    Role::AttnQ,
    Role::AttnK,
    Role::AttnV,
    Role::AttnOutput,
    Role::FfnNorm,
    Role::FfnGate,
    Role::FfnUp,
    Role::FfnDown,
];

const QKV_BIAS: &[Role] = &[Role::AttnQBias, Role::AttnKBias, Role::AttnVBias];

pub const ARCHITECTURES: &[Architecture] = &[
    // Llama 1 to 3, Mistral, SmolLM2 and many more.
    Architecture {
        name: "llama",
        rope_neox: false,
        rope_theta: 10_000.0,
        activation: Activation::Silu,
        scale_embd: false,
        sliding: None,
        wide_attn_scale: None,
        required: &[],
        optional: &[&[Role::Output], &[Role::RopeFreqs], QKV_BIAS],
    },
    // Qwen2, Qwen2.5.
    Architecture {
        name: "qwen2",
        rope_neox: true,
        rope_theta: 10_000.0,
        activation: Activation::Silu,
        scale_embd: false,
        sliding: None,
        wide_attn_scale: None,
        required: QKV_BIAS,
        optional: &[&[Role::Output]],
    },
    Architecture {
        name: "gemma3",
        rope_neox: true,
        rope_theta: 1_000_000.0,
        activation: Activation::GeluTanh,
        scale_embd: true,
        sliding: Some(Sliding { period: 6, rope_theta: 10_000.0 }),
        wide_attn_scale: Some(62),
        required: &[Role::AttnQNorm, Role::AttnKNorm, Role::PostAttentionNorm, Role::PostFfwNorm],
        optional: &[&[Role::Output]],
    },
];
