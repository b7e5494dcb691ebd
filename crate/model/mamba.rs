//! State spaces, as files describe them.

use crate::bail;
use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Mamba, Mamba2};

/// The most positions that a convolution looks at.
const MOST_TAPS: u32 = 16;
/// The largest state of a number that the kernel has room for.
const MOST_STATE: u32 = 256;
/// Numbers of all heads.
const MOST_INNER: u32 = 1 << 18;

impl Keys<'_> {
    /// Mamba of the keys `ssm.*`, with norms where the file says so, or has their weights.
    pub fn mamba(&self) -> Result<Mamba> {
        let (inner, state) = (self.size("ssm.inner_size", MOST_INNER)?, self.size("ssm.state_size", MOST_STATE)?);
        if !state.is_multiple_of(4) {
            bail!(
                UnsupportedArchitecture,
                "channels of a state space have states of {state}; only multiples of 4 are supported"
            );
        }
        let norm_weights = self.has_in_any_layer(&["ssm_dt_norm.weight"]);
        let normed = norm_weights || self.bool("ssm.dt_b_c_rms")?.unwrap_or(false);
        Ok(Mamba {
            inner,
            state,
            rank: self.size("ssm.time_step_rank", 1 << 16)?,
            taps: self.number_or("ssm.conv_kernel", 0, 2..=MOST_TAPS)?,
            norm: normed.then(|| self.rms_eps()).transpose()?,
            norm_weights,
        })
    }

    /// Mamba-2 of the keys `ssm.*`, with a bias and a norm where the file has them.
    pub fn mamba2(&self) -> Result<Mamba2> {
        let (heads, groups) = (self.size("ssm.time_step_rank", 1 << 16)?, self.size_or("ssm.group_count", 1, 1 << 16)?);
        let (inner, state) = (self.size("ssm.inner_size", MOST_INNER)?, self.size("ssm.state_size", MOST_STATE)?);
        if !inner.is_multiple_of(heads) || !heads.is_multiple_of(groups) {
            bail!(
                BadMetadata,
                "A state space of {inner} does not divide into {heads} heads in {groups} groups; the file needs to be converted again"
            );
        }
        let head_dim = inner / heads;
        if !head_dim.is_multiple_of(4) || !state.is_multiple_of(4) {
            bail!(
                UnsupportedArchitecture,
                "heads of a state space are {head_dim} wide with states of {state}; only multiples of 4 are supported"
            );
        }
        Ok(Mamba2 {
            heads,
            head_dim,
            state,
            groups,
            taps: self.number_or("ssm.conv_kernel", 0, 2..=MOST_TAPS)?,
            conv_bias: self.has_in_any_layer(&["ssm_conv1d.bias"]),
            norm: self.has_in_any_layer(&["ssm_norm.weight"]).then(|| self.rms_eps()).transpose()?,
        })
    }
}
