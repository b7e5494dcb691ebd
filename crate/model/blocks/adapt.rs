//! The two small products of adapters beside a large one.

use super::pass::Pass;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::kernels::table::{lora_down, lora_pick, lora_up};
use crate::model::adapter::Spot;

/// What a large product read, and where it wrote.
#[derive(Clone, Copy)]
pub(super) struct Beside {
    /// [rows][k], filled up.
    pub x: BufferId,
    /// [rows][n]
    pub out: BufferId,
    pub k: u32,
    pub n: u32,
    pub rows: u32,
    /// The rows are those that want logits, by their list.
    pub gather: bool,
}

impl Pass<'_> {
    /// Whether any adapter changes this.
    pub(super) fn is_adapted(&self, spot: Spot) -> bool {
        self.at.adapters.at(spot).is_some()
    }

    /// out += B A x, as far as rows want it.
    pub(super) fn adapt(&mut self, spot: Spot, beside: Beside) -> Result<()> {
        let Some((pool, common)) = self.at.adapters.at(spot) else { return Ok(()) };
        let Beside { x, out, k, n, rows, gather } = beside;
        let (ranks, first, h) = (pool.ranks, pool.first, common.hidden);
        let adapters = self.at.adapters.loaded().len() as u32;
        self.recording.push(
            lora_down::Variant { reduce: self.at.choice.rmsnorm().reduce },
            lora_down::Params { k4: k / 4, ranks, first, adapters, gather: gather.into() },
            lora_down::Bind { x, a: pool.a, places: common.places, gains: common.gains, rows: self.at.ends.outputs, h },
            [ranks, rows],
        )?;
        self.add_small(spot, out, n, rows)
    }

    /// The stream's first numbers += B A[token], as far as rows want it.
    pub(super) fn adapt_embedding(&mut self) -> Result<()> {
        let Some((pool, common)) = self.at.adapters.at(Spot::Embedding) else { return Ok(()) };
        let (net, rows) = (self.at.net, self.shape.rows);
        self.recording.push(
            lora_pick::Variant {},
            lora_pick::Params {
                n_vocab: net.n_vocab,
                ranks: pool.ranks,
                first: pool.first,
                adapters: self.at.adapters.loaded().len() as u32,
                scale: net.embed_scale,
            },
            lora_pick::Bind {
                batch: self.at.ends.batch,
                a: pool.a,
                places: common.places,
                gains: common.gains,
                h: common.hidden,
            },
            [pool.ranks.div_ceil(lora_pick::THREADS), rows],
        )?;
        self.add_small(Spot::Embedding, self.stream.at.id, net.stream().room, rows)
    }

    fn add_small(&mut self, spot: Spot, out: BufferId, n: u32, rows: u32) -> Result<()> {
        let Some((pool, common)) = self.at.adapters.at(spot) else { return Ok(()) };
        self.adapted.insert(spot);
        self.recording.push(
            lora_up::Variant {},
            lora_up::Params { ranks: pool.ranks, first: pool.first, n },
            lora_up::Bind { h: common.hidden, b: pool.b, places: common.places, out },
            [n.div_ceil(lora_up::THREADS), rows],
        )
    }
}
