//! Latent attention, as files describe it.

use crate::bail;
use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Attention, Latent, Mask, Pairs, QkNorm, Rope};

/// The most latents, and the widest key, that kernels have room for.
const MOST_LATENTS: u32 = 512;
const WIDEST_KEY: u32 = 640;
/// The most numbers of a head that are rotated.
const MOST_ROTATED: u32 = 256;

impl Keys<'_> {
    /// Causal attention to latents. Files of old have one tensor that makes keys and values of them, and do not say the
    /// sizes of the heads under names of their own.
    pub fn latent_attention(&self, layer: u32, pairs: Pairs) -> Result<Attention> {
        let length = |of: &str| -> Result<u32> {
            match self.size_of(&format!("attention.{of}_length_mla"), layer, 1 << 12)? {
                Some(length) => Ok(length),
                None => self.need_size_of(&format!("attention.{of}_length"), layer, 1 << 12),
            }
        };
        let (key, value) = (length("key")?, length("value")?);
        let rotated = self.need_size_of("rope.dimension_count", layer, MOST_ROTATED)?;
        let rank = self.size("attention.kv_lora_rank", 1 << 16)?;
        let q_rank = match self.has_in_any_layer(&["attn_q_a.weight"]) {
            true => Some(self.size("attention.q_lora_rank", 1 << 16)?),
            false => None,
        };
        let own = key.saturating_sub(rotated);
        let apart = self.has_in_any_layer(&["attn_k_b.weight"]);
        let rows = [rank, q_rank.unwrap_or(32), if apart { own } else { 32 }];
        let fours = [own, rotated, value];
        let fits = rank <= MOST_LATENTS && rank + rotated <= WIDEST_KEY && own > 0;
        if !fits || rows.iter().any(|n| !n.is_multiple_of(32)) || fours.iter().any(|n| !n.is_multiple_of(4)) {
            bail!(
                UnsupportedArchitecture,
                "This {} model has heads of {key} and {value} numbers, {rotated} of them rotated, of {rank} latents, which is not supported",
                self.arch
            );
        }
        let theta = self.positive("rope.freq_base")?.unwrap_or(10_000.0);
        let eps = self.need_positive("attention.layer_norm_rms_epsilon")?;
        let latent = Latent { q_rank, rank, own, value, apart, eps };
        Ok(Attention {
            n_heads: self.n_heads(layer)?,
            n_kv_heads: 1,
            head_dim: rank + rotated,
            scale: (key as f32).sqrt().recip(),
            stretch: None,
            mask: Mask::Causal,
            rope: self.rope(rotated, pairs, theta)?,
            softcap: None,
            alibi: None,
            clamp: None,
            bias: false,
            output_bias: false,
            qk_norm: QkNorm::None,
            v_norm: false,
            values_are_keys: false,
            gated: false,
            gate_apart: false,
            sinks: false,
            keys_of: None,
            latent: Some(latent),
        })
    }

    /// The same with DeepSeek's reading of YaRN: its factor is in the scores of all of a key, not in what is rotated.
    pub fn deepseek_attention(&self, layer: u32) -> Result<Attention> {
        let attention = self.latent_attention(layer, Pairs::Adjacent)?;
        if attention.rope.ramp.is_none() {
            return Ok(attention);
        }
        let spread = |by: f32| 1.0 - 0.1 * by * attention.rope.scale.ln();
        // Converters write a tenth of it.
        let log = self.positive("rope.scaling.yarn_log_multiplier")?.map(|log| log / 0.1);
        let stretched = self.positive("rope.scaling.attn_factor")?.unwrap_or(1.0);
        let amplitude = stretched * log.map_or(spread(1.0), |_| 1.0);
        let whole = amplitude * spread(log.unwrap_or(0.0));
        Ok(Attention {
            rope: Rope { amplitude, ..attention.rope },
            scale: attention.scale * whole * whole,
            ..attention
        })
    }
}
