//! Memory that kernels of the CPU backend work on.

use std::alloc::{Layout, alloc_zeroed, dealloc};

use crate::kernels::job::Shared;

/// Zeroed words, aligned for 128-bit SIMD. Whether there is room for them is asked, not assumed.
pub struct Buffer {
    start: *mut u32,
    layout: Layout,
}

const ALIGN: usize = 16;

impl Buffer {
    /// At least `bytes`; `None` where there is no room.
    pub fn new(bytes: u64) -> Option<Buffer> {
        let size = usize::try_from(bytes.max(1).next_multiple_of(ALIGN as u64)).ok()?;
        let layout = Layout::from_size_align(size, ALIGN).ok()?;
        // SAFETY: the size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        (!start.is_null()).then_some(Buffer { start: start.cast(), layout })
    }

    pub fn bytes(&self) -> u64 {
        self.layout.size() as u64
    }

    pub fn words(&self) -> &[u32] {
        // SAFETY: all words are there, and no word's bits are invalid.
        unsafe { std::slice::from_raw_parts(self.start, self.layout.size() / 4) }
    }

    pub fn words_mut(&mut self) -> &mut [u32] {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.layout.size() / 4) }
    }

    /// For kernels, until the buffer is dropped.
    pub fn shared(&self) -> Shared {
        Shared::over(self.start, self.layout.size() / 4)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and dropped once.
        unsafe { dealloc(self.start.cast(), self.layout) }
    }
}
