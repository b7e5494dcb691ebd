//! Buffers in this program's memory, and a recording run on the mirrors.

use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::memory::{Memory, Move, Moves};
use crate::device::recording::{Dispatch, Recording};
use crate::kernels::job::{Exactness, Job, Shared};

/// The buffers of the mirrors.
#[derive(Default)]
pub struct CpuMemory {
    buffers: Vec<Vec<u32>>,
}

impl Memory for CpuMemory {
    fn alloc(&mut self, _label: &str, bytes: u64) -> Result<BufferId> {
        self.buffers.push(vec![0; bytes.div_ceil(16) as usize * 4]);
        Ok(BufferId(self.buffers.len() - 1))
    }

    fn write(&mut self, id: BufferId, offset: u64, bytes: &[u8]) {
        let start = offset as usize;
        bytemuck::cast_slice_mut::<u32, u8>(&mut self.buffers[id.0])[start..start + bytes.len()].copy_from_slice(bytes);
    }

    fn max_binding(&self) -> u64 {
        1 << 32
    }
}

impl Moves for CpuMemory {
    fn move_bytes(&mut self, moves: &[Move]) {
        for &Move { buffer, from, to, bytes } in moves {
            self.buffers[buffer.0].copy_within(from as usize / 4..(from + bytes) as usize / 4, to as usize / 4);
        }
    }
}

impl CpuMemory {
    /// All of a buffer.
    pub fn read(&self, id: BufferId) -> &[u32] {
        &self.buffers[id.0]
    }

    /// Runs all dispatches.
    pub fn run(&mut self, recording: &Recording) {
        recording.dispatches.iter().for_each(|d| self.dispatch(d));
    }

    /// Runs one.
    pub fn dispatch(&mut self, d: &Dispatch) {
        let bound: Vec<Shared> = d.buffers.iter().map(|id| Shared::new(&mut self.buffers[id.0])).collect();
        // SAFETY: the buffers are this memory's, which is borrowed mutably: they stay, and are nobody else's until it is done.
        let job = unsafe { Job::new(d.variant, &d.params, d.grid, &bound, Exactness::default()) };
        (d.kernel().mirror())(&job);
    }
}
