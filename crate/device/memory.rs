//! Where tensors live: named buffers that a backend makes and fills.

use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::quant::TensorType;

/// What the layers above need of a backend to lay out a model.
pub trait Memory {
    /// A zeroed buffer of at least `bytes`.
    fn alloc(&mut self, label: &str, bytes: u64) -> Result<BufferId>;

    /// Copies `bytes` to byte `offset`; both are multiples of 4.
    fn write(&mut self, id: BufferId, offset: u64, bytes: &[u8]);

    /// The largest buffer that a kernel can bind, in bytes.
    fn max_binding(&self) -> u64;

    /// All weights of a buffer are there: [n_rows][k] in planes that start at these words. A backend may bring them
    /// into the order that its kernels read.
    fn arrange(&mut self, id: BufferId, kind: TensorType, planes: [u32; 4], n_rows: u32, k: u32) {
        let _ = (id, kind, planes, n_rows, k);
    }
}

/// Bytes that go to another place in their buffer; the places may overlap. All numbers are multiples of 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Where the bytes are.
    pub buffer: BufferId,
    /// Their first byte in it.
    pub from: u64,
    /// Where their first byte goes in it.
    pub to: u64,
    /// How many.
    pub bytes: u64,
}

/// A backend whose buffers come and go while a model is loaded.
pub trait Exchange: Memory {
    /// The buffer is used no more: its number may be another's from here on.
    fn free(&mut self, id: BufferId);

    /// Queued like [`Memory::write`]: bytes of one buffer to another. All numbers are multiples of 4.
    fn copy(&mut self, from: (BufferId, u64), to: (BufferId, u64), bytes: u64);
}

/// A backend that can move what its buffers hold.
pub trait Moves {
    /// Queued like [`Memory::write`]; one move after the other.
    fn move_bytes(&mut self, moves: &[Move]);
}

/// What a backend knows of its buffers.
pub trait Named {
    /// What a buffer was called when it was allocated; a buffer of weights by the first tensor in it.
    fn label(&self, id: BufferId) -> &str;

    /// How many bytes a buffer has.
    fn buffer_bytes(&self, id: BufferId) -> u64;
}
