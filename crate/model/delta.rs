//! Gated delta nets, and which layers have them, as files describe them.

use crate::bail;
use crate::base::error::Result;
use crate::file::Value;
use crate::model::keys::Keys;
use crate::model::spec::Delta;

/// The most positions that a convolution looks at.
const MOST_TAPS: u32 = 16;
/// The widest head that the kernel has room for.
const MOST_HEAD: u32 = 128;

impl Keys<'_> {
    /// A delta net of the keys `ssm.*`; `grouped` as [`Delta`] has it.
    pub fn delta(&self, grouped: bool) -> Result<Delta> {
        let (heads, keys) = (self.size("ssm.time_step_rank", 1 << 12)?, self.size("ssm.group_count", 1 << 12)?);
        let (inner, head_dim) = (self.size("ssm.inner_size", 1 << 18)?, self.size("ssm.state_size", 1 << 12)?);
        if !heads.is_multiple_of(keys) || inner != heads * head_dim {
            bail!(
                BadMetadata,
                "A delta net of {inner} is not {heads} heads of {head_dim}, or they cannot share {keys} key heads evenly; the file needs to be converted again"
            );
        }
        if !head_dim.is_multiple_of(4) || head_dim > MOST_HEAD {
            bail!(
                UnsupportedArchitecture,
                "heads of a delta net are {head_dim} wide; multiples of 4 up to {MOST_HEAD} are supported"
            );
        }
        let taps = self.number_or("ssm.conv_kernel", 0, 2..=MOST_TAPS)?;
        Ok(Delta { heads, keys, head_dim, grouped, taps, eps: self.rms_eps()? })
    }

    /// Whether a layer keeps a state: as the file's list says, or all but the last of each so many.
    pub fn is_recurrent(&self, layer: u32) -> Result<bool> {
        if let Some(Value::Bools(list)) =
            self.catalog.metadata.get(&format!("{}.attention.recurrent_layers", self.arch))
        {
            // The list has the layers that guess ahead, too.
            return Ok(list.get(layer as usize).copied().unwrap_or(false));
        }
        let interval = self.size_or("full_attention_interval", 4, u32::MAX)?;
        Ok(!(layer + 1).is_multiple_of(interval))
    }
}
