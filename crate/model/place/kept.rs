//! Mixtures of which some experts are in memory, and all in the file.

use super::{Matrix, MatrixId, Placement, Tensors, Weights};
use crate::device::memory::Memory;
use crate::file::Tensor;
use crate::model::upload::Upload;
use crate::quant;

/// Where the bytes of a mixture's experts are, and where they go.
#[derive(Clone, Debug)]
pub struct Kept {
    /// All of them.
    pub count: u32,
    /// What each place of an expert in memory is made of.
    pub slots: Vec<Vec<Piece>>,
    /// Its matrices: [slots][rows of an expert].
    matrices: Vec<MatrixId>,
}

/// A run of a tensor's bytes, of which each expert has as many.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Of the first expert, and into this slot.
    placement: Placement,
    /// Bytes from one expert's to the next.
    each: u64,
}

impl Piece {
    /// The placement of an expert's.
    fn of(&self, expert: u32) -> Placement {
        let offset = self.placement.offset + u64::from(expert) * self.each;
        Placement { offset, ..self.placement.clone() }
    }
}

impl Kept {
    /// The bytes of the file that an expert takes: (first, count), in the order in which they are wanted.
    pub fn ranges(&self, expert: u32, slot: u32) -> Vec<(u64, u64)> {
        self.slots[slot as usize].iter().map(|piece| piece.of(expert)).map(|p| (p.offset, p.bytes())).collect()
    }

    /// Those bytes to where they belong.
    pub fn write(&self, weights: &Weights, (expert, slot): (u32, u32), bytes: &[u8], memory: &mut dyn Memory) {
        let placements: Vec<_> = self.slots[slot as usize].iter().map(|piece| piece.of(expert)).collect();
        let ranges: Vec<_> = placements.iter().map(|p| (p.offset, p.bytes())).collect();
        let (mut upload, mut rest) = (Upload::new(placements), bytes);
        for (first, count) in ranges {
            let (piece, behind) = rest.split_at(count as usize);
            upload.start_at(first);
            upload.push(piece, memory);
            rest = behind;
        }
        for &matrix in &self.matrices {
            let Matrix { n, k, parts } = &weights[matrix];
            let rows = n / self.slots.len() as u32;
            let first = slot * rows;
            // No expert is cut.
            let Some(part) = parts.iter().rfind(|part| part.first_row <= first) else { continue };
            let units = u64::from(first - part.first_row) * u64::from(*k) / quant::UNIT as u64;
            let mut planes = part.planes;
            for (plane, spec) in planes.iter_mut().zip(quant::planes(part.kind)) {
                *plane += (units * spec.bytes_per_unit as u64 / 4) as u32;
            }
            memory.arrange(part.buffer, part.kind, planes, rows, *k);
        }
    }
}

/// How many of a mixture's experts are in memory.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// All that there are.
    pub count: u32,
    /// Those that there is room for.
    pub slots: u32,
    /// Placements before those of the mixture.
    first: usize,
}

impl Share {
    /// All of them are there.
    pub fn whole(count: u32) -> Self {
        Share { count, slots: count, first: 0 }
    }

    pub(super) fn is_whole(self) -> bool {
        self.slots == self.count
    }
}

impl Tensors<'_> {
    /// What is declared from here on, up to [`Tensors::keep`], are a mixture's experts.
    pub fn share(&self, count: u32) -> Share {
        let slots = self.experts_kept.map_or(count, |kept| kept.min(count));
        Share { slots, first: self.placements.len(), ..Share::whole(count) }
    }

    /// A tensor of a mixture of which a share is in memory was declared.
    pub(super) fn note_experts(&mut self, tensor: &Tensor, share: Share) {
        if !share.is_whole() {
            self.of_experts.push((tensor.offset, tensor.bytes / u64::from(share.count)));
        }
    }

    /// All of a mixture's experts were declared, these matrices among them. Gives the number of the mixture among those that
    /// stay in the file, if it does.
    pub fn keep(&mut self, share: Share, matrices: Vec<MatrixId>) -> Option<usize> {
        if share.is_whole() {
            return None;
        }
        let tensors = std::mem::take(&mut self.of_experts);
        let mut slots = vec![Vec::new(); share.slots as usize];
        for placement in self.placements.split_off(share.first) {
            let of = |&&(offset, each): &&(u64, u64)| {
                (offset..offset + each * u64::from(share.slots)).contains(&placement.offset)
            };
            let Some(&(begin, each)) = tensors.iter().find(of) else { continue };
            let slot = (placement.offset - begin) / each;
            let placement = Placement { offset: placement.offset - slot * each, ..placement };
            slots[slot as usize].push(Piece { placement, each });
        }
        self.weights.kept.push(Kept { count: share.count, slots, matrices });
        Some(self.weights.kept.len() - 1)
    }
}
