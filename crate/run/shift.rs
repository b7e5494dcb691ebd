//! A conversation that outgrew its context goes on with what was read of it: the tokens that went are cut out of its sequence,
//! and the keys behind them are rotated to where they stand now ([`Model::record_shift`]). What stays before them, a system
//! prompt or the template's first tokens, are the attention's sinks (Xiao et al. 2024, "StreamingLLM").

use crate::base::cancel::Cancel;
use crate::base::error::Result;
use crate::device::memory::Memory;
use crate::model::adapter::Blend;
use crate::model::store::{Sequence, SequenceId, Store};
use crate::run::engine::Engine;
use crate::run::request::Shared;

/// Tokens that it must spare to be worth it.
const WORTH: usize = 16;

/// Tokens that are in a sequence and not in a prompt, while those before and behind them are in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The sequence.
    pub id: SequenceId,
    /// Tokens before it.
    pub before: usize,
    /// Its tokens.
    pub count: usize,
    /// Tokens behind it that the prompt has too.
    pub behind: usize,
}

impl Engine {
    /// Makes of what is there what the prompts in line go on with, where they may have it shifted.
    pub(super) async fn shift_some(&mut self) -> Result<()> {
        // Each pass comes by here, and hardly any has one.
        if !self.live.iter().any(|request| request.borrow().to_shift) {
            return Ok(());
        }
        for request in self.live.clone() {
            let gap = {
                let mut state = request.borrow_mut();
                if state.sequence.is_some() || !state.is_ready() || !std::mem::take(&mut state.to_shift) {
                    continue;
                }
                find(self.model.kv(), &state.text, &state.blend)
            };
            if let Some(gap) = gap {
                self.shift(gap, &request).await?;
            }
        }
        Ok(())
    }

    async fn shift(&mut self, gap: Gap, request: &Shared) -> Result<()> {
        let cancel = if self.is_alone() { request.borrow().cancel.clone() } else { self.part() };
        self.cut(gap, &cancel, &cancel).await.map(drop)
    }

    /// Cuts a gap out of its sequence: what is behind it moves up. `false` where others use its blocks and there is no room for
    /// copies. `prepares` ends it before anything has changed; `moves` in its midst, and then none of what moves is there.
    pub async fn cut(&mut self, gap: Gap, prepares: &Cancel, moves: &Cancel) -> Result<bool> {
        let Gap { id, before, count, behind } = gap;
        let recording = self.model.record_shift(before as u32, behind as u32)?;
        let prepared = self.device.prepare(&recording, prepares).await?;
        let cut = [count, behind].map(|n| n as u32);
        let Some(moved) = self.model.kv_mut().cut_out(id, before as u32, cut, &mut self.device) else {
            return Ok(false);
        };
        self.model.write_shift(count as u32, &mut self.device);
        let table: Vec<u32> = self.model.kv().get(id)?.table((before + behind) as u32).collect();
        self.device.write(self.model.batch_buffer(), 0, bytemuck::cast_slice(&table));
        self.device.run(&prepared, moves).await?;
        let store = self.model.kv_mut();
        store.push(id, &moved);
        store.mark_shifted(id, Some(before as u32));
        Ok(true)
    }
}

/// The gap by which most of a prompt is there, where that is more than without one.
fn find(store: &Store, prompt: &[u32], blend: &Blend) -> Option<Gap> {
    if !store.moves_up() {
        return None;
    }
    let alike = || store.sequences().iter().filter(|sequence| sequence.blend == *blend);
    let plain = alike().map(|sequence| shared(&sequence.tokens, prompt)).max().unwrap_or(0);
    let free = alike().filter(|sequence| !sequence.held && !sequence.kept);
    let best = free.filter_map(|sequence| gap(sequence, prompt)).max_by_key(|gap| gap.before + gap.behind)?;
    (best.before + best.behind >= plain + WORTH).then_some(best)
}

/// How many tokens two texts begin with alike.
fn shared(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// The gap of a sequence behind all that it begins with as the prompt does, which must be something; and no more of it may go at
/// its end than is moved.
fn gap(sequence: &Sequence, prompt: &[u32]) -> Option<Gap> {
    let before = shared(&sequence.tokens, prompt);
    let (prompt, tokens) = (&prompt[before..], &sequence.tokens[before..]);
    let (count, behind) = longest(prompt, tokens)?;
    let rest = tokens.len() - count - behind;
    (before > 0 && rest <= behind).then_some(Gap { id: sequence.id, before, count, behind })
}

/// Where in a text another's beginning is found in its greatest length, and that length. In linear time: of each place in
/// both, one behind the other, how much of the first's beginning is there (Gusfield 1997, the Z function).
fn longest(beginning: &[u32], text: &[u32]) -> Option<(usize, usize)> {
    let whole = [beginning, text].concat();
    let mut same = vec![0usize; whole.len()];
    // The stretch that is known to be as the beginning is, and reaches furthest.
    let (mut from, mut to) = (0, 0);
    for at in 1..whole.len() {
        let known = if at < to { same[at - from].min(to - at) } else { 0 };
        let more = shared(&whole[known..], &whole[at + known..]);
        same[at] = known + more;
        if at + same[at] > to {
            (from, to) = (at, at + same[at]);
        }
    }
    let found = same[beginning.len()..].iter().map(|same| (*same).min(beginning.len())).enumerate();
    found.max_by_key(|&(at, same)| (same, at)).filter(|(_, same)| *same > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_is_found() {
        assert_eq!(longest(&[5, 6, 7, 8], &[1, 5, 6, 2, 5, 6, 7, 9, 5]), Some((4, 3)));
        assert_eq!(longest(&[5, 6], &[1, 5, 6, 5, 6]), Some((3, 2)));
        assert_eq!(longest(&[5, 6], &[1, 2]), None);
        assert_eq!((longest(&[], &[1, 2]), longest(&[1], &[])), (None, None));
        // As by trying all places.
        let number = |seed: u32, i: u32| (seed * 7 + i * i * 3 + i * seed) % 3;
        for seed in 0..200 {
            let beginning: Vec<u32> = (0..1 + seed % 9).map(|i| number(seed, i)).collect();
            let text: Vec<u32> = (0..seed % 40).map(|i| number(seed + 1, i)).collect();
            let best = (0..text.len()).map(|at| shared(&beginning, &text[at..])).max().filter(|most| *most > 0);
            assert_eq!(longest(&beginning, &text).map(|(_, same)| same), best, "{beginning:?} {text:?}");
        }
    }
}
