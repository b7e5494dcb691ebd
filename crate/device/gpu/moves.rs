//! Bytes moved within a buffer. WebGPU copies between different buffers only, so they pass through one that is kept for
//! it, piece by piece.

use super::Gpu;
use crate::base::buffer::BufferId;
use crate::device::memory::{Exchange, Move, Moves};

/// The most bytes on their way at a time.
const PIECE: u64 = 64 << 10;

/// The buffer that they pass through. It is made with the device: tokens may be on their way when cells must move.
pub(super) fn passage(device: &wgpu::Device) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let label = Some("passage");
    device.create_buffer(&wgpu::BufferDescriptor { label, size: PIECE, usage, mapped_at_creation: false })
}

impl Exchange for Gpu {
    /// It is not destroyed: what was submitted may still read it. The browser frees it once nothing refers to it.
    fn free(&mut self, id: BufferId) {
        let before = std::mem::replace(&mut self.buffers[id.0], self.passage.clone());
        self.bytes -= before.size();
        self.vacant.push(id);
    }

    fn copy(&mut self, from: (BufferId, u64), to: (BufferId, u64), bytes: u64) {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&self.buffers[from.0.0], from.1, &self.buffers[to.0.0], to.1, bytes);
        self.queue.submit([encoder.finish()]);
    }
}

impl Moves for Gpu {
    fn move_bytes(&mut self, moves: &[Move]) {
        if moves.iter().all(|m| m.bytes == 0) {
            return;
        }
        let mut encoder = self.device.create_command_encoder(&Default::default());
        for m in moves {
            let buffer = &self.buffers[m.buffer.0];
            for (offset, bytes) in pieces(m) {
                encoder.copy_buffer_to_buffer(buffer, m.from + offset, &self.passage, 0, bytes);
                encoder.copy_buffer_to_buffer(&self.passage, 0, buffer, m.to + offset, bytes);
            }
        }
        self.queue.submit([encoder.finish()]);
    }
}

/// Offset and bytes of each piece, in an order in which none overwrites what a later one reads.
fn pieces(m: &Move) -> impl Iterator<Item = (u64, u64)> {
    let (count, bytes, backwards) = (m.bytes.div_ceil(PIECE), m.bytes, m.to > m.from);
    (0..count).map(move |i| {
        let piece = if backwards { count - 1 - i } else { i };
        let offset = piece * PIECE;
        (offset, PIECE.min(bytes - offset))
    })
}
