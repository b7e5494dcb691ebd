//! Streams the file's tensor bytes into buffers. Bytes arrive in order, in pieces of any size; at most one repack unit
//! is kept over from piece to piece, so the file is never whole in memory.

use std::borrow::Cow;

use crate::bail;
use crate::base::error::Result;
use crate::device::memory::Memory;
use crate::model::filled::Filled;
use crate::model::place::{Placement, Target, UNIT};
use crate::quant;

/// Bytes that are repacked at a time, at most: what they become is read again at once, and takes memory of the program's.
const PIECE: usize = 512 << 10;

/// A model's weights on their way from the file's bytes to buffers.
pub struct Upload {
    /// Sorted by offset.
    placements: Vec<Placement>,
    /// The placement under way, and how many of its elements are done.
    index: usize,
    done: u64,
    /// File offset of the next byte to come.
    position: u64,
    /// Bytes of the current placement that do not make a whole unit yet.
    pending: Vec<u8>,
    /// Reused output of the repacking, one per plane.
    planes: Vec<Vec<u8>>,
    /// What was kept for the CPU: what divides RoPE's frequencies.
    pub host: Vec<f32>,
    /// Scales of whole tensors.
    pub scales: Vec<f32>,
}

impl Upload {
    /// Of the placements that [`Tensors`](super::place::Tensors) made.
    pub fn new(placements: Vec<Placement>) -> Self {
        Upload {
            placements,
            index: 0,
            done: 0,
            position: 0,
            pending: Vec::new(),
            planes: Vec::new(),
            host: Vec::new(),
            scales: Vec::new(),
        }
    }

    /// The file offset of the first byte that will be pushed; 0 unless said.
    pub fn start_at(&mut self, position: u64) {
        self.position = position;
    }

    /// Whether every weight has come.
    pub fn is_complete(&self) -> bool {
        self.index == self.placements.len()
    }

    /// `Truncated` unless everything has arrived.
    pub fn finish(&self, file_bytes: u64) -> Result<()> {
        if !self.is_complete() {
            bail!(
                Truncated,
                "The file ends after {} of the {file_bytes} bytes that its header promises; download it again.",
                self.position
            );
        }
        Ok(())
    }

    /// Takes the next bytes of the file. Bytes between and after the placements are skipped.
    pub fn push(&mut self, mut bytes: &[u8], memory: &mut dyn Memory) {
        while let Some(current) = self.placements.get(self.index) {
            let kind = current.kind;
            let total = current.bytes();
            let arrived = self.done / kind.block_len() as u64 * kind.block_bytes() as u64 + self.pending.len() as u64;
            let gap = (current.offset + arrived).saturating_sub(self.position).min(bytes.len() as u64);
            self.position += gap;
            bytes = &bytes[gap as usize..];
            if bytes.is_empty() {
                return;
            }
            let take = (total - arrived).min(bytes.len() as u64);
            let (mine, rest) = bytes.split_at(take as usize);
            self.position += take;
            bytes = rest;
            self.consume(mine, arrived + take == total, memory);
        }
        self.position += bytes.len() as u64;
    }

    /// Bytes of the current placement; `last` says that they complete it.
    fn consume(&mut self, mut bytes: &[u8], last: bool, memory: &mut dyn Memory) {
        let kind = self.placements[self.index].kind;
        let unit = match self.placements[self.index].target {
            Target::Part { row, .. } if row.length == row.room => UNIT as usize / kind.block_len() * kind.block_bytes(),
            // So many rows that they fill whole units.
            Target::Part { row, .. } => {
                (UNIT as usize >> row.room.trailing_zeros().min(9)) * row.length as usize * kind.block_bytes()
            }
            Target::Floats { .. } | Target::Host { .. } | Target::Scale(_) => usize::MAX,
        };
        if !self.pending.is_empty() {
            let take = bytes.len().min(unit - self.pending.len());
            self.pending.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if self.pending.len() == unit {
                let whole = std::mem::take(&mut self.pending);
                self.emit(&whole, memory);
            }
        }
        let whole = bytes.len() / unit * unit;
        for piece in bytes[..whole].chunks((PIECE / unit).max(1) * unit) {
            self.emit(piece, memory);
        }
        self.pending.extend_from_slice(&bytes[whole..]);
        if last {
            let tail = std::mem::take(&mut self.pending);
            if !tail.is_empty() {
                self.emit(&tail, memory);
            }
            self.index += 1;
            self.done = 0;
        }
    }

    /// Whole units (or the tail) of the current placement, to where they belong.
    fn emit(&mut self, bytes: &[u8], memory: &mut dyn Memory) {
        let Placement { kind, ref target, .. } = self.placements[self.index];
        let elements = (bytes.len() / kind.block_bytes() * kind.block_len()) as u64;
        match *target {
            Target::Part { buffer, kind: stored, planes, first_element, row } => {
                let bytes = filled_up(bytes, row, kind.block_bytes());
                let specs = quant::planes(stored);
                self.planes.resize(specs.len().max(self.planes.len()), Vec::new());
                self.planes.iter_mut().for_each(Vec::clear);
                let wide = if stored == kind { bytes } else { quant::widen(kind, stored, &bytes).into() };
                quant::repack(stored, &wide, &mut self.planes[..specs.len()]);
                let done = if row.length == row.room { self.done } else { row.place(self.done) };
                let units = (first_element + done) / quant::UNIT as u64;
                for (i, spec) in specs.iter().enumerate() {
                    let offset = planes[i] as u64 * 4 + units * spec.bytes_per_unit as u64;
                    let plane = &mut self.planes[i];
                    plane.resize(plane.len().next_multiple_of(4), 0);
                    memory.write(buffer, offset, plane);
                }
            }
            Target::Floats { buffer, first_element, scale } => {
                let mut floats = vec![0.0f32; elements as usize];
                quant::dequantize(kind, bytes, &mut floats);
                floats.iter_mut().for_each(|float| *float *= scale);
                memory.write(buffer, (first_element + self.done) * 4, bytemuck::cast_slice(&floats));
            }
            Target::Scale(index) => {
                self.scales.resize(self.scales.len().max(index + 1), 1.0);
                quant::dequantize(kind, bytes, &mut self.scales[index..=index]);
            }
            Target::Host { first_element } => {
                let from = (first_element + self.done) as usize;
                self.host.resize(self.host.len().max(from + elements as usize), 0.0);
                quant::dequantize(kind, bytes, &mut self.host[from..from + elements as usize]);
            }
        }
        self.done += elements;
    }
}

/// Rows of floats, each with zeros behind it where it has room for more.
fn filled_up(bytes: &[u8], row: Filled, float: usize) -> Cow<'_, [u8]> {
    if row.length == row.room {
        return bytes.into();
    }
    let (length, room) = (row.length as usize * float, row.room as usize * float);
    let mut filled = vec![0; bytes.len() / length * room];
    filled
        .chunks_exact_mut(room)
        .zip(bytes.chunks_exact(length))
        .for_each(|(to, row)| to[..length].copy_from_slice(row));
    filled.into()
}
