//! Mixtures of experts, as files describe them.

use crate::bail;
use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Dense, Experts, Feed, Scored, Shared};

/// The most experts that the kernel which chooses has room for.
const MOST: u32 = 512;
/// The widest expert whose gate and up fit one part of a matrix.
const WIDEST: u32 = 1 << 18;

impl Keys<'_> {
    /// Whether the file has any.
    pub fn has_experts(&self) -> Result<bool> {
        Ok(self.u32("expert_count")?.is_some_and(|count| count > 0))
    }

    /// Experts with gates of SiLU, and those biases that the file has. Their scores are a softmax, and those of the chosen
    /// ones are divided by their sum. What the file has tensors for is shared.
    pub fn experts(&self, layer: u32) -> Result<Experts> {
        let count = self.size("expert_count", MOST)?;
        let used = self.need_size_of("expert_used_count", layer, count)?;
        let [bias, down_bias] = [&["ffn_up_exps.bias", "ffn_gate_up_exps.bias"][..], &["ffn_down_exps.bias"]]
            .map(|names| self.has_in_any_layer(names));
        let n_ff = match self.size_of("expert_feed_forward_length", layer, WIDEST)? {
            Some(n_ff) => n_ff,
            None => self.need_size_of("feed_forward_length", layer, WIDEST)?,
        };
        let groups = self.size_or("expert_group_count", 1, count)?;
        let groups_used = self.size_or("expert_group_used_count", groups, groups)?;
        if !count.is_multiple_of(groups) || used > count / groups * groups_used {
            bail!(
                BadMetadata,
                "{used} of {count} experts cannot be chosen from {groups_used} of {groups} groups; the file needs to be converted again"
            );
        }
        Ok(Experts {
            count,
            used,
            each: Dense { bias, down_bias, ..Dense::gated(n_ff, Activation::Silu) },
            scores: Scored::Softmax,
            router_bias: self.has_in_any_layer(&["ffn_gate_inp.bias"]),
            choice_bias: self.has_in_any_layer(&["exp_probs_b.bias"]),
            groups: (groups > 1).then_some((groups, groups_used)),
            normed: true,
            scale: self.positive("expert_weights_scale")?.unwrap_or(1.0),
            factors: self.has_in_any_layer(&["ffn_down_exps.scale"]),
            shared: self.shared(layer, n_ff)?,
        })
    }

    fn shared(&self, layer: u32, n_ff: u32) -> Result<Option<Shared>> {
        if !self.has_in_any_layer(&["ffn_up_shexp.weight"]) {
            return Ok(None);
        }
        let own = self.size_of("expert_shared_feed_forward_length", layer, 1 << 20)?;
        let count = self.u32("expert_shared_count")?.filter(|&count| count > 0);
        let several = count.and_then(|count| n_ff.checked_mul(count)).filter(|&n_ff| n_ff <= 1 << 20);
        let n_ff = match own.or(several) {
            Some(n_ff) => n_ff,
            None => self.need_size_of("feed_forward_length", layer, 1 << 20)?,
        };
        let dense = Dense::gated(n_ff, Activation::Silu);
        Ok(Some(Shared { dense, gated: self.has_in_any_layer(&["ffn_gate_inp_shexp.weight"]) }))
    }

    /// A mixture where the file has one, else a gated network with those biases that it has.
    pub fn feed(&self, layer: u32) -> Result<Feed> {
        Ok(match self.has_experts()? {
            true => self.experts(layer)?.into(),
            false => self.biased_dense(layer, Activation::Silu)?.into(),
        })
    }

    /// A mixture with the scores that the file says, or these, which are normed only where it says so.
    pub fn scored_experts(&self, layer: u32, default: Scored) -> Result<Experts> {
        let scores = match self.u32("expert_gating_func")?.filter(|&kind| kind > 0) {
            None => default,
            Some(1) => Scored::Softmax,
            Some(2) => Scored::Sigmoid,
            Some(3) => Scored::SoftmaxOfChosen,
            Some(other) => bail!(
                UnsupportedArchitecture,
                "This {} model chooses its experts by function {other}, which is not supported",
                self.arch
            ),
        };
        Ok(Experts { scores, normed: self.bool("expert_weights_norm")?.unwrap_or(false), ..self.experts(layer)? })
    }

    /// A dense network in the first layers, as many as the file says, and these experts in the others.
    pub fn leading_dense(&self, layer: u32, experts: impl FnOnce() -> Result<Experts>) -> Result<Feed> {
        let dense = self.number_or("leading_dense_block_count", 0, 0..=self.n_layers - 1)?;
        match layer < dense {
            true => Ok(self.dense(layer, Activation::Silu)?.into()),
            false => Ok(experts()?.into()),
        }
    }
}
