//! The name of a buffer.

/// A buffer of a device. The same numbers mean the same buffers on the GPU, on the CPU and on the mirrors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BufferId(pub usize);
