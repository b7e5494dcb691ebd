//! Adapters of a loaded model: two small products beside a large one, whose weights stay as they are.
//!
//! All adapters of a matrix lie in one *pool*: their As below each other, their Bs side by side. So a pass takes two
//! dispatches more for each matrix that any adapter changes, however many there are, and depends on none of them: how much
//! of each adapter a row wants stands in a small buffer, `gains`. When adapters come or go, new pools are laid and what stays
//! is copied, on the device.

mod check;
mod incoming;

use std::collections::BTreeMap;

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::memory::Exchange;
use crate::model::filled::Filled;
use crate::model::place::MatrixId;

pub use incoming::Incoming;

/// Names an adapter of a model, and never another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AdapterId(u32);

/// The adapters that a text is read with, and how much of each: by their ids, none twice and none without effect.
pub type Blend = Vec<(AdapterId, f32)>;

/// Adapters at a time: each is a number of every row of a batch.
pub const MOST: usize = 64;
/// Ranks of a matrix together: a dispatch has a workgroup for each.
const MOST_RANKS: u32 = 65_535;

/// What an adapter changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spot {
    /// What the embedding gives of a token.
    Embedding,
    /// The product of a matrix of blocks.
    Matrix(MatrixId),
    /// Logits: the output matrix, which may be the embedding itself.
    Head,
}

/// What an adapter changes at one spot.
#[derive(Clone, Debug)]
struct Patch {
    spot: Spot,
    rank: u32,
    /// A row of A.
    row: Filled,
    /// The numbers of the product that it changes: the first, and how many; in these pieces.
    column: u32,
    columns: u32,
    piece: Filled,
}

impl Patch {
    fn a_bytes(&self) -> u64 {
        4 * u64::from(self.rank) * u64::from(self.row.room)
    }

    fn b_bytes(&self) -> u64 {
        4 * u64::from(self.rank) * u64::from(self.columns)
    }
}

/// An adapter that is loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its name here.
    pub id: AdapterId,
    patches: Vec<Patch>,
}

impl Loaded {
    /// Bytes of its numbers on the device.
    pub fn bytes(&self) -> u64 {
        self.patches.iter().map(|patch| patch.a_bytes() + patch.b_bytes()).sum()
    }

    /// The largest of its ranks.
    pub fn rank(&self) -> u32 {
        self.patches.iter().map(|patch| patch.rank).max().unwrap_or(0)
    }

    /// Tensors that it changes.
    pub fn tensors(&self) -> usize {
        self.patches.len()
    }
}

/// All that adapters change at one spot.
#[derive(Clone, Debug)]
pub struct Pool {
    /// [ranks][length of a row]
    pub a: BufferId,
    /// Columns of B, each as long as its place says.
    pub b: BufferId,
    /// Of all adapters together.
    pub ranks: u32,
    /// The place of the first of them.
    pub first: u32,
}

/// Buffers that all pools share.
#[derive(Clone, Copy, Debug)]
pub struct Common {
    /// (adapter, column, columns, start in b) of each rank of each pool.
    pub places: BufferId,
    /// [rows of the largest batch][adapters]: how much of each a row wants.
    pub gains: BufferId,
    /// [rows of the largest batch][ranks of the largest pool]: what A gives.
    pub hidden: BufferId,
}

/// The adapters of a model.
#[derive(Clone, Debug, Default)]
pub struct Adapters {
    /// In the order in which they came: that of their numbers in gains.
    loaded: Vec<Loaded>,
    pools: BTreeMap<Spot, Pool>,
    /// Where there is an adapter.
    common: Option<Common>,
    /// How many were named so far.
    named: u32,
}

impl Adapters {
    /// Those that are loaded, in the order in which they came.
    pub fn loaded(&self) -> &[Loaded] {
        &self.loaded
    }

    /// Whether there are none: then passes are what they are without.
    pub fn is_empty(&self) -> bool {
        self.loaded.is_empty()
    }

    /// What adapters change at a spot, and the buffers that it shares with others.
    pub fn at(&self, spot: Spot) -> Option<(&Pool, Common)> {
        self.pools.get(&spot).zip(self.common)
    }

    /// The spots that adapters change.
    pub fn spots(&self) -> impl Iterator<Item = Spot> {
        self.pools.keys().copied()
    }

    /// Where it stands how much of each adapter the rows of a batch want; `None` where there is none.
    pub fn gains_buffer(&self) -> Option<BufferId> {
        self.common.map(|common| common.gains)
    }

    /// How much of each adapter a row wants.
    pub fn gains(&self, blend: &Blend) -> impl Iterator<Item = f32> {
        let gain = |id: AdapterId| blend.iter().find(|(wanted, _)| *wanted == id).map_or(0.0, |(_, scale)| *scale);
        self.loaded.iter().map(move |adapter| gain(adapter.id))
    }

    /// What is loaded but one: new pools, to which what is there was copied.
    pub(in crate::model) fn without(&self, id: AdapterId, rows: u32, memory: &mut dyn Exchange) -> Result<Adapters> {
        let others = self.loaded.iter().filter(|adapter| adapter.id != id).cloned().collect();
        self.lay(others, rows, memory)
    }

    /// The same with one more, whose numbers are to come.
    fn with(&self, patches: Vec<Patch>, rows: u32, memory: &mut dyn Exchange) -> Result<Adapters> {
        if self.loaded.len() >= MOST {
            bail!(BadOption, "There are {MOST} adapters, as many as can be; unload one first.");
        }
        let one = Loaded { id: AdapterId(self.named), patches };
        let mut next = self.lay(self.loaded.iter().cloned().chain([one]).collect(), rows, memory)?;
        next.named += 1;
        Ok(next)
    }

    /// Pools for these adapters, with the numbers of those that are in pools of `self`.
    fn lay(&self, loaded: Vec<Loaded>, rows: u32, memory: &mut dyn Exchange) -> Result<Adapters> {
        let mut next = Adapters { loaded, named: self.named, ..Adapters::default() };
        let laid = next.allocate(rows, memory);
        if let Err(error) = laid {
            next.free(memory);
            return Err(error);
        }
        for adapter in &self.loaded {
            let (from, to) = (self.starts(adapter.id), next.starts(adapter.id));
            for ((patch, from), to) in adapter.patches.iter().zip(from).zip(to) {
                let (Some(old), Some(new)) = (self.pools.get(&patch.spot), next.pools.get(&patch.spot)) else {
                    continue;
                };
                memory.copy((old.a, from[0]), (new.a, to[0]), patch.a_bytes());
                memory.copy((old.b, from[1]), (new.b, to[1]), patch.b_bytes());
            }
        }
        Ok(next)
    }

    /// Where the numbers of an adapter's patches start, in bytes of their pools' a and b; nothing of one that is not there.
    fn starts(&self, id: AdapterId) -> Vec<[u64; 2]> {
        let mut ends: BTreeMap<Spot, [u64; 2]> = BTreeMap::new();
        let mut starts = Vec::new();
        for adapter in &self.loaded {
            for patch in &adapter.patches {
                let end = ends.entry(patch.spot).or_default();
                if adapter.id == id {
                    starts.push(*end);
                }
                *end = [end[0] + patch.a_bytes(), end[1] + patch.b_bytes()];
            }
        }
        starts
    }

    fn allocate(&mut self, rows: u32, memory: &mut dyn Exchange) -> Result<()> {
        // (bytes of a and b, a place for each rank)
        type Sizes = ([u64; 2], Vec<[u32; 4]>);
        let mut spots: BTreeMap<Spot, Sizes> = BTreeMap::new();
        for (adapter, column) in self.loaded.iter().zip(0..) {
            for patch in &adapter.patches {
                let (bytes, places) = spots.entry(patch.spot).or_default();
                for j in 0..u64::from(patch.rank) {
                    let start = bytes[1] / 4 + j * u64::from(patch.columns);
                    places.push([column, patch.column, patch.columns, start as u32]);
                }
                *bytes = [bytes[0] + patch.a_bytes(), bytes[1] + patch.b_bytes()];
            }
        }
        if spots.is_empty() {
            return Ok(());
        }
        let mut places: Vec<[u32; 4]> = Vec::new();
        let mut most = 0;
        for (spot, ([a, b], own)) in spots {
            let (ranks, first) = (own.len() as u32, places.len() as u32);
            if ranks > MOST_RANKS {
                bail!(BadAdapter, "The adapters have {ranks} ranks together for one matrix; load fewer at a time.");
            }
            let a = memory.alloc("adapters a", a)?;
            let pool = Pool { a, b: a, ranks, first };
            // It is there to be freed before anything else can fail.
            self.pools.insert(spot, pool.clone());
            let b = memory.alloc("adapters b", b)?;
            self.pools.insert(spot, Pool { b, ..pool });
            places.extend(own);
            most = most.max(ranks);
        }
        let rows = u64::from(rows);
        let mut buffer = |label: &str, words: u64| memory.alloc(label, 4 * words);
        let common = Common {
            places: buffer("adapters' places", 4 * places.len() as u64)?,
            gains: buffer("adapters' gains", rows * self.loaded.len() as u64)?,
            hidden: buffer("adapters' results", rows * u64::from(most))?,
        };
        memory.write(common.places, 0, bytemuck::cast_slice(&places));
        self.common = Some(common);
        Ok(())
    }

    /// Gives all buffers back; passes that bind them must be gone.
    pub(in crate::model) fn free(&mut self, memory: &mut dyn Exchange) {
        for Pool { a, b, .. } in std::mem::take(&mut self.pools).into_values() {
            memory.free(a);
            if b != a {
                memory.free(b);
            }
        }
        if let Some(Common { places, gains, hidden }) = self.common.take() {
            [places, gains, hidden].into_iter().for_each(|buffer| memory.free(buffer));
        }
    }
}
