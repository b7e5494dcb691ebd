//! Tensors that hold those of many networks, one after another.

use super::{Matrix, MatrixId, Share, Stacked, Target, Tensors, WHOLE, common};
use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::model::filled::Filled;

impl Tensors<'_> {
    /// The matrices of a mixture's experts that are in memory, each stacked of those of these tensors, which hold one expert's rows after another's:
    /// all in whole pieces, so that no expert is cut. Tensors of types that no other holds are a matrix each.
    pub fn experts(
        &mut self,
        row: Filled,
        tensors: &[(&str, u32)],
        piece: Filled,
        share: Share,
    ) -> Result<Vec<MatrixId>> {
        let mut stacked = Vec::with_capacity(tensors.len());
        for &(name, each) in tensors {
            let tensor = self.claim(name, &[row.length, each, share.count].map(u64::from))?;
            self.note_experts(tensor, share);
            stacked.push(Stacked { tensor, scale: None, n: each, piece, turn: WHOLE });
        }
        match common(&stacked) {
            Some(_) => Ok(vec![self.pile(row, &stacked, Some(share.slots))?]),
            None => stacked.iter().map(|one| self.pile(row, std::slice::from_ref(one), Some(share.slots))).collect(),
        }
    }

    /// The matrices of `count` heads, each `n` rows, in one part. `AdapterTooSmall` where they do not fit one.
    pub fn by_head(&mut self, name: &str, length: u32, n: u32, count: u32) -> Result<MatrixId> {
        let matrix = self.experts(Filled::whole(length), &[(name, n)], Filled::whole(n), Share::whole(count))?[0];
        self.check_whole(matrix)?;
        Ok(matrix)
    }

    /// `AdapterTooSmall` where a matrix is in several parts.
    pub fn check_whole(&self, matrix: MatrixId) -> Result<()> {
        let Matrix { n, k, parts } = &self.weights[matrix];
        if parts.len() > 1 {
            bail!(
                AdapterTooSmall,
                "{n} rows of {k} weights that belong together do not fit the adapter's largest binding of {} bytes; use another adapter.",
                self.memory.max_binding()
            );
        }
        Ok(())
    }

    /// The vectors of a mixture's experts that are in memory, each of those of these tensors, in these pieces.
    pub fn expert_vectors(&mut self, tensors: &[(&str, u32)], piece: Filled, share: Share) -> Result<BufferId> {
        let claim = |&(name, each): &(&str, u32)| Ok((self.claim(name, &[each, share.count].map(u64::from))?, each));
        let tensors = tensors.iter().map(claim).collect::<Result<Vec<_>>>()?;
        tensors.iter().for_each(|(tensor, _)| self.note_experts(tensor, share));
        let pieces: u32 = tensors.iter().map(|(_, each)| each / piece.length).sum();
        let buffer = self.alloc(&tensors[0].0.name, u64::from(pieces * share.slots) * u64::from(piece.room) * 4)?;
        let mut first_element = 0;
        for expert in 0..share.slots {
            for &(tensor, each) in &tensors {
                for skip in (expert * each..(expert + 1) * each).step_by(piece.length as usize) {
                    let target = Target::Floats { buffer, first_element, scale: 1.0 };
                    self.place(tensor, u64::from(skip), u64::from(piece.length), target);
                    first_element += u64::from(piece.room);
                }
            }
        }
        Ok(buffer)
    }
}
