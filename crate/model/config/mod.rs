//! What a model is, read from its header: sizes, per-layer settings, which tensors it has.
//!
//! Architecture names occur here alone, in [`ARCHITECTURES`]; everything after reads
//! [`ModelConfig`]. Defaults for missing keys are llama.cpp's.

mod architectures;
mod keys;
mod roles;
mod tensors;

pub use architectures::{ARCHITECTURES, Architecture, COMMON, Sliding};
pub use roles::Role;

use crate::bail;
use crate::base::error::Result;
use crate::file::gguf::Header;
use keys::Keys;

/// Attention kernels hold a head in this many lanes' worth of registers at most.
const MAX_HEAD_DIM: u32 = 256;
const MAX_LAYERS: u32 = 1024;

/// What the feed-forward gate goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x · sigmoid(x)
    Silu,
    /// GELU by its tanh formula
    GeluTanh,
}

/// What differs between layers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerConfig {
    /// RoPE base: pair i is rotated by `position * rope_scale * rope_theta^(-2i / rope_dim)`.
    pub rope_theta: f32,
    /// 1 / linear scaling factor, applied to positions.
    pub rope_scale: f32,
    /// A token sees itself and the `window - 1` before it; all before it if `None`.
    pub window: Option<u32>,
}

/// A model's sizes and switches; consistent with its tensors' shapes.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    pub arch: &'static str,
    pub n_layers: u32,
    /// Width of the residual stream.
    pub n_embd: u32,
    pub n_heads: u32,
    /// Divides `n_heads`.
    pub n_kv_heads: u32,
    /// Of queries, keys and values; a multiple of 4.
    pub head_dim: u32,
    /// Width inside the feed-forward network.
    pub n_ff: u32,
    pub n_vocab: u32,
    /// Positions that the model was trained for.
    pub context_length: u32,
    pub norm_eps: f32,
    /// The first dimensions of a head that RoPE rotates; even.
    pub rope_dim: u32,
    /// RoPE pairs dimension i with i + rope_dim/2 instead of 2i with 2i + 1.
    pub rope_neox: bool,
    /// Linear factor of position scaling, 1 if none; `layers` say where it applies.
    pub rope_scaling: f32,
    /// The model has a tensor of frequency divisors ([`Role::RopeFreqs`]).
    pub rope_freqs: bool,
    /// Embeddings are multiplied by this.
    pub embed_scale: f32,
    pub activation: Activation,
    /// Products of queries and keys are multiplied by this.
    pub attn_scale: f32,
    /// The token embedding is the output head too.
    pub tied_output: bool,
    pub qkv_bias: bool,
    /// RMS norm of each query and key head, before RoPE.
    pub qk_norm: bool,
    /// RMS norms of what attention and the feed-forward network add to the residual stream.
    pub post_norms: bool,
    /// Scores become `cap * tanh(score / cap)`.
    pub attn_logit_softcap: Option<f32>,
    pub final_logit_softcap: Option<f32>,
    /// One a layer.
    pub layers: Vec<LayerConfig>,
}

impl ModelConfig {
    /// Reads the metadata and checks that every tensor the model needs is there with the shape
    /// it must have, and that there is none which would go unused.
    ///
    /// Errors: `UnsupportedArchitecture`, `BadMetadata`, `MissingTensor`, `BadShape`.
    pub fn from_header(header: &Header) -> Result<Self> {
        let arch = architecture(header)?;
        let keys = Keys { metadata: &header.metadata, arch: arch.name };
        refuse_unknown_features(&keys)?;
        let tensors = tensors::by_name(header);
        let has = |role: Role| tensors.contains_key(role.name(0).as_str());

        let n_layers = keys.size("block_count", MAX_LAYERS)?;
        let n_embd = keys.size("embedding_length", 1 << 17)?;
        let n_heads = keys.uniform("attention.head_count", n_layers, 1 << 12)?;
        let n_kv_heads = match keys.has("attention.head_count_kv") {
            true => keys.uniform("attention.head_count_kv", n_layers, 1 << 12)?,
            false => n_heads,
        };
        if !n_heads.is_multiple_of(n_kv_heads) {
            bail!(
                BadMetadata,
                "{n_heads} attention heads cannot share {n_kv_heads} key heads evenly; the file needs to be converted again"
            );
        }
        let head_dim = head_dim(&keys, n_embd, n_heads)?;
        let rope_dim = keys.size_or("rope.dimension_count", head_dim, head_dim)?;
        if !rope_dim.is_multiple_of(2) {
            bail!(
                BadMetadata,
                "The metadata key \"{}.rope.dimension_count\" is {rope_dim}, which is odd; the file needs to be converted again",
                arch.name
            );
        }
        let context_length = keys.size("context_length", 1 << 27)?;
        let attn_scale = match keys.positive("attention.scale")? {
            Some(scale) => scale,
            None if arch.wide_attn_scale == Some(n_layers) => ((n_embd / n_heads) as f32).sqrt().recip(),
            None => (head_dim as f32).sqrt().recip(),
        };
        let rope_scaling = rope_scaling(&keys)?;
        let config = ModelConfig {
            arch: arch.name,
            n_layers,
            n_embd,
            n_heads,
            n_kv_heads,
            head_dim,
            n_ff: keys.uniform("feed_forward_length", n_layers, 1 << 20)?,
            n_vocab: n_vocab(header, &keys)?,
            context_length,
            norm_eps: keys.need_positive("attention.layer_norm_rms_epsilon")?,
            rope_dim,
            rope_neox: arch.rope_neox,
            rope_scaling,
            rope_freqs: has(Role::RopeFreqs),
            embed_scale: if arch.scale_embd { (n_embd as f32).sqrt() } else { 1.0 },
            activation: arch.activation,
            attn_scale,
            tied_output: !has(Role::Output),
            qkv_bias: has(Role::AttnQBias),
            qk_norm: has(Role::AttnQNorm),
            post_norms: has(Role::PostAttentionNorm),
            attn_logit_softcap: keys.positive("attn_logit_softcapping")?,
            final_logit_softcap: keys.positive("final_logit_softcapping")?,
            layers: layers(&keys, arch, n_layers, rope_scaling)?,
        };
        tensors::check(&config, arch, &tensors)?;
        Ok(config)
    }

    /// Length of all query heads of a token.
    pub fn q_dim(&self) -> u32 {
        self.n_heads * self.head_dim
    }

    /// Length of all key (or value) heads of a token.
    pub fn kv_dim(&self) -> u32 {
        self.n_kv_heads * self.head_dim
    }
}

fn architecture(header: &Header) -> Result<&'static Architecture> {
    let name = header.metadata.need_str("general.architecture")?;
    let Some(arch) = ARCHITECTURES.iter().find(|arch| arch.name == name) else {
        let known: Vec<&str> = ARCHITECTURES.iter().map(|arch| arch.name).collect();
        bail!(
            UnsupportedArchitecture,
            "models of architecture {} are not supported; these are: {}",
            crate::file::gguf::quoted(name),
            known.join(", ")
        );
    };
    Ok(arch)
}

/// What would change the forward pass and is not built must not pass silently.
fn refuse_unknown_features(keys: &Keys) -> Result<()> {
    let metadata = keys.metadata;
    if let Some(parts) = metadata.u32("split.count")?.filter(|&parts| parts > 1) {
        bail!(BadMetadata, "This file is one of {parts} parts of a model; join them with llama-gguf-split --merge");
    }
    if keys.u32("expert_count")?.is_some_and(|experts| experts > 0) {
        bail!(UnsupportedArchitecture, "This {} model is a mixture of experts, which is not supported", keys.arch);
    }
    if keys.bool("attention.causal")? == Some(false) {
        bail!(
            UnsupportedArchitecture,
            "This {} model attends to later tokens too (an embedding model), which is not supported",
            keys.arch
        );
    }
    Ok(())
}

fn head_dim(keys: &Keys, n_embd: u32, n_heads: u32) -> Result<u32> {
    let head_dim = match keys.u32("attention.key_length")? {
        Some(length) => length,
        None if n_embd.is_multiple_of(n_heads) => n_embd / n_heads,
        None => bail!(
            BadMetadata,
            "An embedding of {n_embd} does not divide into {n_heads} heads; the file needs to be converted again"
        ),
    };
    let value_length = keys.u32("attention.value_length")?.unwrap_or(head_dim);
    if value_length != head_dim {
        bail!(
            UnsupportedArchitecture,
            "heads have keys of {head_dim} and values of {value_length}; only equal lengths are supported"
        );
    }
    if head_dim == 0 || head_dim > MAX_HEAD_DIM || !head_dim.is_multiple_of(4) {
        bail!(
            UnsupportedArchitecture,
            "attention heads are {head_dim} wide; multiples of 4 up to {MAX_HEAD_DIM} are supported"
        );
    }
    Ok(head_dim)
}

/// The vocabulary's length; where it is not there (any more), what the file says, or has rows for.
fn n_vocab(header: &Header, keys: &Keys) -> Result<u32> {
    const MAX_VOCAB: u32 = 1 << 24;
    if let Some(tokens) = header.metadata.strings("tokenizer.ggml.tokens")? {
        return match u32::try_from(tokens.len()) {
            Ok(count) if (1..=MAX_VOCAB).contains(&count) => Ok(count),
            _ => bail!(BadMetadata, "The vocabulary has {} tokens; the file needs to be converted again", tokens.len()),
        };
    }
    let rows = header.tensor(&Role::TokenEmbd.name(0)).and_then(|embedding| embedding.shape.get(1).copied());
    keys.size_or("vocab_size", rows.and_then(|rows| rows.try_into().ok()).unwrap_or(1), MAX_VOCAB)
}

/// The linear factor by which positions are divided.
fn rope_scaling(keys: &Keys) -> Result<f32> {
    let kind = keys.str("rope.scaling.type")?.unwrap_or("linear");
    if kind != "linear" && kind != "none" {
        bail!(
            UnsupportedArchitecture,
            "This {} model scales RoPE by {}, which is not supported",
            keys.arch,
            crate::file::gguf::quoted(kind)
        );
    }
    if keys.positive("rope.scaling.attn_factor")?.is_some_and(|factor| factor != 1.0) {
        bail!(UnsupportedArchitecture, "This {} model scales RoPE's amplitude, which is not supported", keys.arch);
    }
    if kind == "none" {
        return Ok(1.0);
    }
    let factor = match keys.positive("rope.scaling.factor")? {
        None => keys.positive("rope.scale_linear")?,
        factor => factor,
    };
    Ok(factor.unwrap_or(1.0))
}

fn layers(keys: &Keys, arch: &Architecture, n_layers: u32, rope_scaling: f32) -> Result<Vec<LayerConfig>> {
    let global = LayerConfig {
        rope_theta: keys.positive("rope.freq_base")?.unwrap_or(arch.rope_theta),
        rope_scale: 1.0 / rope_scaling,
        window: None,
    };
    let window = keys.u32("attention.sliding_window")?.filter(|&window| window > 0);
    let (Some(sliding), Some(window)) = (&arch.sliding, window) else {
        return Ok(vec![global; n_layers as usize]);
    };
    let local = LayerConfig {
        rope_theta: keys.positive("rope.freq_base_swa")?.unwrap_or(sliding.rope_theta),
        rope_scale: 1.0,
        window: Some(window),
    };
    let is_local = keys.sliding_pattern(sliding.period, n_layers)?;
    Ok(is_local.into_iter().map(|is_local| if is_local { local } else { global }).collect())
}
