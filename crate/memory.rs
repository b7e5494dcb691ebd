//! Where tensors live: named buffers that a backend makes and fills.

use crate::error::Result;

/// A buffer of a backend. The same numbers mean the same buffers on the GPU and on the mirrors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BufferId(pub usize);

/// What the layers above need of a backend to lay out a model.
pub trait Memory {
    /// A zeroed buffer of at least `bytes`.
    fn alloc(&mut self, label: &str, bytes: u64) -> Result<BufferId>;

    /// Copies `bytes` to byte `offset`; both are multiples of 4.
    fn write(&mut self, id: BufferId, offset: u64, bytes: &[u8]);

    /// The largest buffer that a kernel can bind, in bytes.
    fn max_binding(&self) -> u64;
}
