//! Experts that stay in the model's file: a token takes a few of each layer's, and of those that come again and again some
//! are in memory. A pass stops where a layer has chosen; what is missing takes the places of those that were chosen longest
//! ago.

use crate::base::cancel::Cancel;
use crate::base::error::Result;
use crate::device::Device;
use crate::device::memory::Memory;
use crate::model::forward::{Mixture, Model};
use crate::run::passes::Ready;
use crate::run::rows::Reread;

/// Bytes that are read at a time, at most, if one expert has less.
const PIECE: u64 = 32 << 20;

/// The number of no expert, for products.
const NONE: f32 = 65535.0;

/// What is in memory of each mixture, and how it comes there.
pub struct Experts {
    reread: Reread,
    mixtures: Vec<Slots>,
    /// Rounds so far.
    round: u64,
    /// What was chosen so far.
    pub counts: Counts,
}

/// What experts took so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Experts that a pass wanted of a layer, each once.
    pub wanted: u64,
    /// Of those, the ones that were not in memory.
    pub read: u64,
    /// Bytes that were read for them.
    pub bytes: u64,
}

/// The places in memory of a mixture's experts.
struct Slots {
    /// Which expert is in each, and the round in which it was last chosen.
    held: Vec<Option<(u32, u64)>>,
}

impl Slots {
    fn slot_of(&self, expert: u32) -> Option<usize> {
        self.held.iter().position(|held| held.is_some_and(|(other, _)| other == expert))
    }

    /// As many of these experts as there are places, those first that are there: (expert, slot, whether it is there).
    fn take(&mut self, wanted: &[u32], round: u64) -> Vec<(u32, u32, bool)> {
        let (there, missing): (Vec<u32>, Vec<u32>) = wanted.iter().partition(|&&expert| self.slot_of(expert).is_some());
        let mut taken = Vec::new();
        for expert in there {
            if let Some(slot) = self.slot_of(expert) {
                self.held[slot] = Some((expert, round));
                taken.push((expert, slot as u32, true));
            }
        }
        for expert in missing {
            let free = |&slot: &usize| self.held[slot].is_none_or(|(_, used)| used < round);
            let oldest = (0..self.held.len()).filter(free).min_by_key(|&slot| self.held[slot].map(|(_, used)| used));
            let Some(slot) = oldest else { break };
            self.held[slot] = Some((expert, round));
            taken.push((expert, slot as u32, false));
        }
        taken
    }
}

impl Experts {
    /// None is in memory yet.
    pub fn new(reread: Reread, model: &Model) -> Self {
        let kept = model.weights().kept().iter();
        let mixtures = kept.map(|kept| Slots { held: vec![None; kept.slots.len()] }).collect();
        Experts { reread, mixtures, round: 0, counts: Counts::default() }
    }

    /// Runs all of a pass but its last part. `Io` and the like where the file cannot be read any more, `Truncated` where it
    /// has become shorter, `Aborted` where the work was cancelled.
    pub async fn lead(&mut self, pass: &Ready, model: &Model, device: &mut Device, cancel: &Cancel) -> Result<()> {
        for (prepared, mixture) in &pass.before {
            match mixture {
                None => device.run(prepared, cancel).await?,
                Some(mixture) => {
                    cancel.check()?;
                    let count = model.weights().kept()[mixture.kept].count;
                    let choices = choices(mixture, device).await?;
                    // A router that gives no numbers may have chosen none.
                    let mut left: Vec<u32> =
                        choices.iter().map(|[expert, _]| *expert as u32).filter(|expert| *expert < count).collect();
                    left.sort_unstable();
                    left.dedup();
                    while !left.is_empty() {
                        self.bring(mixture, &choices, &mut left, model, device).await?;
                        device.run(prepared, cancel).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Brings as many of the experts that are `left` to memory as there are places for, takes them from there, and tells the
    /// device where they are. Weights stay with all choices: they are wanted behind the last round.
    async fn bring(
        &mut self,
        mixture: &Mixture,
        choices: &[[f32; 2]],
        left: &mut Vec<u32>,
        model: &Model,
        device: &mut Device,
    ) -> Result<()> {
        self.round += 1;
        let taken = self.mixtures[mixture.kept].take(left, self.round);
        let missing: Vec<(u32, u32)> = taken.iter().filter(|taken| !taken.2).map(|&(e, slot, _)| (e, slot)).collect();
        self.counts.wanted += taken.len() as u64;
        self.counts.read += missing.len() as u64;
        let read = self.read(mixture.kept, &missing, model, device).await;
        if read.is_err() {
            // What did not come is nowhere.
            missing.iter().for_each(|(_, slot)| self.mixtures[mixture.kept].held[*slot as usize] = None);
        }
        read?;
        let mut here: Vec<[f32; 2]> = choices.iter().map(|[_, weight]| [NONE, *weight]).collect();
        for &(expert, slot, _) in &taken {
            let own = choices.iter().zip(&mut here).filter(|([other, _], _)| *other as u32 == expert);
            own.for_each(|(_, here)| here[0] = slot as f32);
        }
        device.write(mixture.choices, 0, bytemuck::cast_slice(&here));
        left.retain(|expert| taken.iter().all(|(taken, ..)| taken != expert));
        Ok(())
    }

    /// Reads experts to their places, some at a time.
    async fn read(&mut self, kept: usize, all: &[(u32, u32)], model: &Model, device: &mut Device) -> Result<()> {
        let of = &model.weights().kept()[kept];
        let bytes_of = |(expert, slot): (u32, u32)| of.ranges(expert, slot).iter().map(|(_, count)| count).sum::<u64>();
        let each = all.first().map_or(1, |first| bytes_of(*first)).max(1);
        for some in all.chunks((PIECE / each).max(1) as usize) {
            let ranges = some.iter().flat_map(|&(expert, slot)| of.ranges(expert, slot)).collect();
            let bytes = self.reread.read(ranges).await?;
            self.counts.bytes += bytes.len() as u64;
            let mut rest = &bytes[..];
            for &expert in some {
                let (own, behind) = rest.split_at(bytes_of(expert) as usize);
                of.write(model.weights(), expert, own, device);
                rest = behind;
            }
        }
        Ok(())
    }
}

/// What the rows of a pass have chosen: (expert, weight).
async fn choices(mixture: &Mixture, device: &Device) -> Result<Vec<[f32; 2]>> {
    let bytes = device.read(mixture.choices, u64::from(mixture.pairs) * 8).await?;
    Ok(bytemuck::pod_collect_to_vec(&bytes))
}
