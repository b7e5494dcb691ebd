//! What of a network stays in its file, where that can be read again.

use super::Net;
use crate::bail;
use crate::base::error::Result;

impl Net {
    /// As it is where its file can be read again: what is large and read by rows stays there.
    pub fn of_file(self) -> Self {
        Net { layers_in_file: self.layer_embedding().is_some(), ..self }
    }

    /// With so many experts of each mixture in memory, if that is said, of a file that can be read again. `BadOption` where
    /// there are none, or a token takes more.
    pub fn with_experts(self, kept: Option<u32>) -> Result<Self> {
        let Some(kept) = kept else { return Ok(self) };
        let Some(used) = self.experts_used() else {
            bail!(BadOption, "experts is {kept}, but this {} model is no mixture of experts; leave it out.", self.arch)
        };
        if kept < used {
            bail!(BadOption, "experts is {kept}, but each token takes {used} of a layer; give at least that.");
        }
        Ok(Net { experts_kept: Some(kept), ..self })
    }

    /// Experts of a layer, at most; `None` where there are none.
    pub fn experts_count(&self) -> Option<u32> {
        self.blocks.iter().filter_map(|block| block.experts()).map(|experts| experts.count).max()
    }

    /// Experts that a token takes of a layer, at most; `None` where there are none.
    pub fn experts_used(&self) -> Option<u32> {
        self.blocks.iter().filter_map(|block| block.experts()).map(|experts| experts.used).max()
    }

    /// Whether so many rows may take more experts of a layer than are in memory.
    pub fn experts_exceed(&self, rows: u32) -> bool {
        self.experts_kept.zip(self.experts_used()).is_some_and(|(kept, used)| rows.saturating_mul(used) > kept)
    }

    /// The width of the embedding that a token has for each layer, where it has any.
    pub fn layer_embedding(&self) -> Option<u32> {
        self.blocks.first().and_then(|block| block.behind.embedding)
    }
}
