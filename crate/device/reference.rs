//! Buffers in CPU memory, and a recording run on the mirrors.

use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::memory::Memory;
use crate::device::recording::{Dispatch, Recording};
use crate::kernels::Access;
use crate::kernels::reference::Args;

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

impl CpuMemory {
    pub fn read(&self, id: BufferId) -> &[u32] {
        &self.buffers[id.0]
    }

    pub fn run(&mut self, recording: &Recording) {
        recording.dispatches.iter().for_each(|d| self.dispatch(d));
    }

    pub fn dispatch(&mut self, d: &Dispatch) {
        let uses =
            |access| d.buffers.iter().zip(d.kernel.bindings).filter(move |&(_, &a)| a == access).map(|(id, _)| *id);
        // Written buffers are taken out, so that the others can be borrowed meanwhile.
        let mut taken: Vec<(BufferId, Vec<u32>)> =
            uses(Access::Write).map(|id| (id, std::mem::take(&mut self.buffers[id.0]))).collect();
        (d.kernel.mirror)(Args {
            variant: d.variant.get().name,
            params: &d.params,
            grid: d.grid,
            read: uses(Access::Read).map(|id| self.buffers[id.0].as_slice()).collect(),
            write: taken.iter_mut().map(|(_, words)| words.as_mut_slice()).collect(),
        });
        for (id, words) in taken {
            self.buffers[id.0] = words;
        }
    }
}
