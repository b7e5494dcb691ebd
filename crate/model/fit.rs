//! Memory that only counts: whether there is room for a model is told before anything of it is allocated.

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::memory::Memory;

/// The buffers that a model would have.
pub struct Counter {
    buffers: Vec<u64>,
    max_binding: u64,
}

impl Counter {
    /// None yet.
    pub fn new(max_binding: u64) -> Self {
        Counter { buffers: Vec::new(), max_binding }
    }

    /// What those together take that are `wanted`.
    pub fn bytes_of(&self, wanted: impl Fn(BufferId) -> bool) -> u64 {
        let all = self.buffers.iter().enumerate();
        all.filter(|&(index, _)| wanted(BufferId(index))).map(|(_, bytes)| bytes).sum()
    }
}

impl Memory for Counter {
    fn alloc(&mut self, label: &str, bytes: u64) -> Result<BufferId> {
        let bytes = bytes.next_multiple_of(16).max(16);
        if bytes > self.max_binding {
            bail!(
                AdapterTooSmall,
                "The buffer '{label}' needs {bytes} bytes, but one has at most {} here; use a smaller model or context.",
                self.max_binding
            );
        }
        self.buffers.push(bytes);
        Ok(BufferId(self.buffers.len() - 1))
    }
    fn write(&mut self, _id: BufferId, _offset: u64, _bytes: &[u8]) {}
    fn max_binding(&self) -> u64 {
        self.max_binding
    }
}
