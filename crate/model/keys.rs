//! What an architecture's file asks of a catalog: its keys, with the ranges that sizes must lie in, and whether a tensor
//! is there. Defaults for missing keys are llama.cpp's.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use crate::bail;
use crate::base::error::Result;
use crate::file::{Catalog, Value, quoted};
use crate::model::gives;
use crate::model::spec::{Activation, Attention, Block, Dense, Mask, Net, Norm, Pairs, QkNorm, Rope, RopeFactors};

/// The widest head that attention kernels have room for.
const MAX_HEAD_DIM: u32 = 512;
const MAX_LAYERS: u32 = 1024;
const RMS_EPS: &str = "attention.layer_norm_rms_epsilon";
const LAYER_EPS: &str = "attention.layer_norm_epsilon";

/// Getters for the keys `{arch}.{key}`.
pub struct Keys<'a> {
    pub(super) catalog: &'a Catalog,
    pub arch: &'static str,
    pub n_layers: u32,
    /// Width of the residual stream.
    pub n_embd: u32,
    /// What layers have, behind `blk.` and a number: asked for by each layer, of a file that may have a million tensors.
    in_layers: HashSet<&'a str>,
}

/// The parts that architectures are made of.
impl<'a> Keys<'a> {
    pub fn new(catalog: &'a Catalog, arch: &'static str) -> Result<Self> {
        let part = |name: &'a str| name.strip_prefix("blk.")?.split_once('.').map(|(_, part)| part);
        let in_layers = catalog.tensors.iter().filter_map(|tensor| part(&tensor.name)).collect();
        let mut keys = Keys { catalog, arch, n_layers: 0, n_embd: 0, in_layers };
        let layers = keys.size("block_count", MAX_LAYERS)?;
        keys.n_layers = layers - keys.number_or("nextn_predict_layers", 0, 0..=layers - 1)?;
        keys.n_embd = keys.size("embedding_length", 1 << 17)?;
        Ok(keys)
    }

    /// A network of the usual keys around these blocks, one a layer from 0 on, with RMS norms.
    pub fn net(&self, block: impl Fn(u32) -> Result<Block>) -> Result<Net> {
        self.net_of(Norm::Rms, &block)
    }

    /// The same with these norms.
    pub fn net_with(&self, norm: Norm, block: impl Fn(u32) -> Result<Block>) -> Result<Net> {
        self.net_of(norm, &block)
    }

    /// Compiled once, not for each architecture.
    fn net_of(&self, norm: Norm, block: &dyn Fn(u32) -> Result<Block>) -> Result<Net> {
        let mut blocks: Vec<Block> = (0..self.n_layers).map(block).collect::<Result<_>>()?;
        // One expert is none to choose from.
        let mixture = self.u32("expert_count")?.is_some_and(|count| count > 1);
        if mixture && blocks.iter().all(|block| block.experts().is_none()) {
            bail!(UnsupportedArchitecture, "This {} model is a mixture of experts, which is not supported", self.arch);
        }
        if !self.is_causal()? {
            if blocks.iter().any(|block| block.attention().is_none()) {
                bail!(
                    UnsupportedArchitecture,
                    "This {} model sees later tokens, which is not supported of its layers without attention",
                    self.arch
                );
            }
            if blocks.iter().filter_map(Block::attention).any(|attention| matches!(attention.mask, Mask::Window(_))) {
                bail!(
                    UnsupportedArchitecture,
                    "This {} model sees later tokens, and others in a window, which is not supported",
                    self.arch
                );
            }
            gives::both_ways(&mut blocks);
        }
        Ok(Net {
            arch: self.arch,
            n_embd: self.n_embd,
            n_vocab: self.n_vocab()?,
            context_length: self.context_length()?,
            norm,
            norm_eps: match norm {
                Norm::Rms | Norm::BiasedRms => self.rms_eps()?,
                Norm::Layer { .. } => self.need_positive(LAYER_EPS)?,
            },
            embed_scale: 1.0,
            learned_positions: None,
            token_types: None,
            embed_norm: false,
            layers_in_file: false,
            experts_kept: None,
            blocks,
            output_norm: "output_norm".into(),
            gives: self.gives()?,
            tied_output: !self.has_tensor("output.weight"),
            output_bias: false,
            rope_factors: None,
            logit_scale: 1.0,
            final_logit_softcap: self.positive("final_logit_softcapping")?,
        })
    }

    /// What RMS norms add to the mean square. Some files of Nemotron-H have it by the name of layer norms only.
    pub fn rms_eps(&self) -> Result<f32> {
        match (self.get(RMS_EPS), self.get(LAYER_EPS)) {
            (None, Some(_)) => self.need_positive(LAYER_EPS),
            _ => self.need_positive(RMS_EPS),
        }
    }

    /// Causal attention without biases and head norms; `theta` is the RoPE base where the file gives none.
    pub fn attention(&self, layer: u32, pairs: Pairs, theta: f32) -> Result<Attention> {
        self.attention_by("", layer, pairs, theta)
    }

    /// The same, with this behind the names of the keys that tell layers of a window from others: sizes of heads, the
    /// rotation's size and base.
    pub fn attention_by(&self, suffix: &str, layer: u32, pairs: Pairs, theta: f32) -> Result<Attention> {
        let own = |key: &str| format!("{key}{suffix}");
        let n_heads = self.n_heads(layer)?;
        let n_kv_heads = self.size_of("attention.head_count_kv", layer, 1 << 12)?.unwrap_or(n_heads);
        if !n_heads.is_multiple_of(n_kv_heads) {
            bail!(
                BadMetadata,
                "{n_heads} attention heads cannot share {n_kv_heads} key heads evenly; the file needs to be converted again"
            );
        }
        let head_dim = self.head_dim(suffix, layer)?;
        let rope_dim = self.size_of(&own("rope.dimension_count"), layer, head_dim)?.unwrap_or(head_dim);
        if !rope_dim.is_multiple_of(2) {
            bail!(
                BadMetadata,
                "The metadata key \"{}.rope.dimension_count\" is {rope_dim}, which is odd; the file needs to be converted again",
                self.arch
            );
        }
        let theta = self.positive(&own("rope.freq_base"))?.unwrap_or(theta);
        Ok(Attention {
            n_heads,
            n_kv_heads,
            head_dim,
            scale: self.positive("attention.scale")?.unwrap_or((head_dim as f32).sqrt().recip()),
            stretch: None,
            mask: Mask::Causal,
            rope: self.rope(rope_dim, pairs, theta)?,
            softcap: None,
            alibi: None,
            clamp: self.positive("attention.clamp_kqv")?,
            bias: false,
            output_bias: false,
            qk_norm: QkNorm::None,
            v_norm: false,
            values_are_keys: false,
            gated: false,
            gate_apart: false,
            sinks: false,
            keys_of: None,
            latent: None,
        })
    }

    /// The same with those biases that the file has.
    pub fn biased_attention(&self, layer: u32, pairs: Pairs, theta: f32) -> Result<Attention> {
        Ok(Attention {
            bias: self.has_in_any_layer(&["attn_qkv.bias", "attn_q.bias", "attn_k.bias", "attn_v.bias"]),
            output_bias: self.has_in_any_layer(&["attn_output.bias"]),
            ..self.attention(layer, pairs, theta)?
        })
    }

    /// The same without a rotation.
    pub fn unrotated_attention(&self, layer: u32) -> Result<Attention> {
        let attention = self.biased_attention(layer, Pairs::Halves, 10_000.0)?;
        Ok(Attention { rope: Rope { dim: 0, ..attention.rope }, ..attention })
    }

    /// The layer norm of each head, if the file has it.
    pub fn norm_of_each_head(&self) -> QkNorm {
        match self.has_in_any_layer(&["attn_q_norm.weight"]) {
            true => QkNorm::Each,
            false => QkNorm::None,
        }
    }

    /// A gated network without biases.
    pub fn dense(&self, layer: u32, activation: Activation) -> Result<Dense> {
        let n_ff = self.need_size_of("feed_forward_length", layer, 1 << 20)?;
        Ok(Dense::gated(n_ff, activation))
    }

    /// The same with those biases that the file has.
    pub fn biased_dense(&self, layer: u32, activation: Activation) -> Result<Dense> {
        let [bias, down_bias] =
            [&["ffn_gate.bias", "ffn_up.bias"][..], &["ffn_down.bias"]].map(|names| self.has_in_any_layer(names));
        Ok(Dense { bias, down_bias, ..self.dense(layer, activation)? })
    }

    fn context_length(&self) -> Result<u32> {
        self.size("context_length", 1 << 27)
    }

    /// The factors that the file has for the rotations of these blocks.
    pub fn rope_factors(&self, blocks: &[Block]) -> Result<Option<RopeFactors>> {
        let ropes = blocks.iter().filter_map(Block::attention).map(|attention| attention.rope);
        let count = ropes.filter(|rope| rope.factors).map(|rope| rope.dim / 2).max().unwrap_or(0);
        Ok(if self.has_tensor("rope_freqs.weight") {
            Some(RopeFactors::One(count))
        } else if self.has_tensor("rope_factors_long.weight") {
            Some(RopeFactors::Two { count, trained: self.trained_context()? })
        } else {
            None
        })
    }

    pub fn n_heads(&self, layer: u32) -> Result<u32> {
        self.need_size_of("attention.head_count", layer, 1 << 12)
    }

    fn head_dim(&self, suffix: &str, layer: u32) -> Result<u32> {
        let length = |of: &str| self.number_of(&format!("attention.{of}_length{suffix}"), layer);
        let head_dim = match (length("key")?, self.n_heads(0)) {
            (Some(length), _) => length,
            (None, Err(error)) => return Err(error),
            (None, Ok(n_heads)) if self.n_embd.is_multiple_of(n_heads) => self.n_embd / n_heads,
            (None, Ok(n_heads)) => bail!(
                BadMetadata,
                "An embedding of {} does not divide into {n_heads} heads; the file needs to be converted again",
                self.n_embd
            ),
        };
        let value_length = length("value")?.unwrap_or(head_dim);
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
    fn n_vocab(&self) -> Result<u32> {
        const MAX_VOCAB: u32 = 1 << 24;
        if let Some(tokens) = self.catalog.metadata.strings("tokenizer.ggml.tokens")? {
            return match u32::try_from(tokens.len()) {
                Ok(count) if (1..=MAX_VOCAB).contains(&count) => Ok(count),
                _ => {
                    bail!(
                        BadMetadata,
                        "The vocabulary has {} tokens; the file needs to be converted again",
                        tokens.len()
                    )
                }
            };
        }
        let rows = self.catalog.tensor("token_embd.weight").and_then(|embedding| embedding.shape.get(1).copied());
        self.size_or("vocab_size", rows.and_then(|rows| rows.try_into().ok()).unwrap_or(1), MAX_VOCAB)
    }

    /// Positions before the context was stretched.
    pub fn trained_context(&self) -> Result<u32> {
        let context = self.context_length()?;
        self.size_or("rope.scaling.original_context_length", context, 1 << 27)
    }

    /// Rotation as the file has it scaled.
    pub(super) fn rope(&self, dim: u32, pairs: Pairs, theta: f32) -> Result<Rope> {
        let kind = self.str("rope.scaling.type")?.unwrap_or("linear");
        if !["none", "linear", "yarn", "longrope"].contains(&kind) {
            bail!(
                UnsupportedArchitecture,
                "This {} model scales RoPE by {}, which is not supported",
                self.arch,
                quoted(kind)
            );
        }
        let factor = match self.positive("rope.scaling.factor")? {
            None => self.positive("rope.scale_linear")?,
            factor => factor,
        };
        let factor = if kind == "none" { 1.0 } else { factor.unwrap_or(1.0) };
        let amplitude = self.positive("rope.scaling.attn_factor")?.unwrap_or(1.0);
        let rope = Rope { dim, pairs, theta, scale: 1.0 / factor, ramp: None, amplitude, factors: true };
        if kind != "yarn" {
            return Ok(rope);
        }
        let trained = self.trained_context()? as f32;
        // The pair that makes so many turns over that context.
        let pair = |turns: f32| dim as f32 * (trained / (turns * std::f32::consts::TAU)).ln() / (2.0 * theta.ln());
        let fast = self.positive("rope.scaling.yarn_beta_fast")?.unwrap_or(32.0);
        let slow = self.positive("rope.scaling.yarn_beta_slow")?.unwrap_or(1.0);
        let ramp = (pair(fast).floor().max(0.0), pair(slow).ceil().min(dim as f32 - 1.0));
        // Attention to a longer context is spread wider.
        let spread = |by: f32| if factor > 1.0 { 0.1 * by * factor.ln() + 1.0 } else { 1.0 };
        let whole = self.positive("rope.scaling.yarn_log_multiplier")?.map_or(1.0, spread);
        Ok(Rope { ramp: Some(ramp), amplitude: amplitude * spread(1.0) / whole, ..rope })
    }

    /// Which layers have a sliding window: the file's list, or all but the last of each period.
    pub fn sliding_pattern(&self, period: u32) -> Result<Vec<bool>> {
        const KEY: &str = "attention.sliding_window_pattern";
        if let Some(Value::Bools(list)) = self.get(KEY) {
            self.check_length(KEY, list.len())?;
            return Ok(list.clone());
        }
        let period = self.size_or(KEY, period, u32::MAX)?;
        Ok((0..self.n_layers).map(|layer| layer % period != period - 1).collect())
    }

    /// Each layer's window, where it has one: a file without a length has none.
    pub fn windows(&self, period: u32) -> Result<Vec<Option<u32>>> {
        let Some(window) = self.u32("attention.sliding_window")?.filter(|window| *window > 0) else {
            return Ok(vec![None; self.n_layers as usize]);
        };
        Ok(self.sliding_pattern(period)?.into_iter().map(|is_local| is_local.then_some(window)).collect())
    }
}

/// Single keys and tensors.
impl<'a> Keys<'a> {
    pub fn has_tensor(&self, name: &str) -> bool {
        self.catalog.tensor(name).is_some()
    }

    /// Whether any layer has one of these tensors.
    pub fn has_in_any_layer(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.in_layers.contains(name))
    }

    fn full(&self, key: &str) -> String {
        format!("{}.{key}", self.arch)
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.catalog.metadata.get(&self.full(key))
    }

    pub fn u32(&self, key: &str) -> Result<Option<u32>> {
        self.catalog.metadata.u32(&self.full(key))
    }

    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        self.catalog.metadata.bool(&self.full(key))
    }

    pub fn str(&self, key: &str) -> Result<Option<&'a str>> {
        self.catalog.metadata.str(&self.full(key))
    }

    /// A size from 1 to `most` that must be there.
    pub fn size(&self, key: &str, most: u32) -> Result<u32> {
        let size = self.catalog.metadata.need_u32(&self.full(key))?;
        self.check_size(key, size, most)
    }

    pub fn size_or(&self, key: &str, default: u32, most: u32) -> Result<u32> {
        self.number_or(key, default, 1..=most)
    }

    /// A number in this range.
    pub fn number_or(&self, key: &str, default: u32, range: RangeInclusive<u32>) -> Result<u32> {
        self.check(key, self.u32(key)?.unwrap_or(default), range)
    }

    fn check_size(&self, key: &str, size: u32, most: u32) -> Result<u32> {
        self.check(key, size, 1..=most)
    }

    fn check(&self, key: &str, number: u32, range: RangeInclusive<u32>) -> Result<u32> {
        if !range.contains(&number) {
            bail!(
                BadMetadata,
                "The metadata key {:?} is {number}, not {} to {}; the file needs to be converted again",
                self.full(key),
                range.start(),
                range.end()
            );
        }
        Ok(number)
    }

    /// A layer's number, which files give once for all layers or in a list.
    pub fn number_of(&self, key: &str, layer: u32) -> Result<Option<u32>> {
        let Some(Value::Ints(list)) = self.get(key) else {
            return self.u32(key);
        };
        self.check_length(key, list.len())?;
        // What is no size at all is 0, which no size may be.
        Ok(Some(u32::try_from(list[layer as usize]).unwrap_or(0)))
    }

    /// A layer's size, from 1 to `most`.
    pub fn size_of(&self, key: &str, layer: u32, most: u32) -> Result<Option<u32>> {
        self.number_of(key, layer)?.map(|size| self.check_size(key, size, most)).transpose()
    }

    /// The same where it must be there.
    pub fn need_size_of(&self, key: &str, layer: u32, most: u32) -> Result<u32> {
        match self.size_of(key, layer, most)? {
            Some(size) => Ok(size),
            None => self.size(key, most),
        }
    }

    fn check_length(&self, key: &str, length: usize) -> Result<()> {
        if length != self.n_layers as usize {
            bail!(
                BadMetadata,
                "The metadata key {:?} has {length} values for {} layers; the file needs to be converted again",
                self.full(key),
                self.n_layers
            );
        }
        Ok(())
    }

    /// A positive number; 0 stands for none.
    pub fn positive(&self, key: &str) -> Result<Option<f32>> {
        match self.catalog.metadata.f32(&self.full(key))? {
            None | Some(0.0) => Ok(None),
            Some(number) if number > 0.0 && number.is_finite() => Ok(Some(number)),
            Some(number) => bail!(
                BadMetadata,
                "The metadata key {:?} is {number}, not a positive number; the file needs to be converted again",
                self.full(key)
            ),
        }
    }

    /// A number that must be there, under a key of no architecture: once for all layers or in a list.
    pub fn global_f32(&self, key: &str, layer: u32) -> Result<f32> {
        let number = match self.catalog.metadata.get(key) {
            Some(Value::Floats(list)) => {
                self.check_length(key, list.len())?;
                Some(list[layer as usize])
            }
            _ => self.catalog.metadata.f32(key)?,
        };
        match number.filter(|number| number.is_finite()) {
            Some(number) => Ok(number),
            None => {
                bail!(
                    BadMetadata,
                    "The metadata key {key:?} is missing or no number; the file needs to be converted again"
                )
            }
        }
    }

    pub fn need_positive(&self, key: &str) -> Result<f32> {
        match self.positive(key)? {
            Some(number) => Ok(number),
            None => bail!(
                BadMetadata,
                "The metadata key {:?} is missing or zero; the file needs to be converted again",
                self.full(key)
            ),
        }
    }
}
