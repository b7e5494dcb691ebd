//! Whether there is room for a model, told by its catalog before anything of it is allocated.

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::memory::Memory;
use crate::file::Catalog;
use crate::kernels::choose::Choice;
use crate::model::forward::{Model, Sizes};
use crate::model::spec::Net;

/// Memory that only counts what is allocated.
pub(super) struct Counter {
    buffers: usize,
    bytes: u64,
    max_binding: u64,
}

impl Counter {
    pub fn new(max_binding: u64) -> Self {
        Counter { buffers: 0, bytes: 0, max_binding }
    }
}

impl Memory for Counter {
    fn alloc(&mut self, _label: &str, bytes: u64) -> Result<BufferId> {
        self.buffers += 1;
        self.bytes += bytes.next_multiple_of(16);
        Ok(BufferId(self.buffers - 1))
    }
    fn write(&mut self, _id: BufferId, _offset: u64, _bytes: &[u8]) {}
    fn max_binding(&self) -> u64 {
        self.max_binding
    }
}

/// `OutOfMemory` where the model's buffers take more than `room` bytes, with what would fit.
pub fn check(catalog: &Catalog, net: &Net, sizes: Sizes, choice: Choice, max_binding: u64, room: u64) -> Result<()> {
    let bytes = |context: u32, cells: u32| -> Result<u64> {
        let mut counter = Counter::new(max_binding);
        Model::place(catalog, net.clone(), Sizes { context, cells, ..sizes }, choice, &mut counter)?;
        Ok(counter.bytes)
    };
    let whole = bytes(sizes.context, sizes.cells)?;
    if whole <= room {
        return Ok(());
    }
    let (needed, least) = (bytes(sizes.context, sizes.context)?, bytes(1, 1)?);
    let has = megabytes(room);
    if needed <= room {
        let each = (whole - needed) / u64::from(sizes.cells - sizes.context);
        let fits = u64::from(sizes.context) + (room - needed) / each.max(1);
        bail!(
            OutOfMemory,
            "The model with a cache of {} tokens needs {} MB of memory, but there is room for {has}; load it with cacheTokens of at most {fits}.",
            sizes.cells,
            megabytes(whole)
        );
    }
    let needs = megabytes(needed);
    if least <= room {
        let each = (needed - least) / u64::from(sizes.context - 1);
        let fits = 1 + (room - least) / each.max(1);
        bail!(
            OutOfMemory,
            "The model with a context of {} tokens needs {needs} MB of memory, but there is room for {has}; load it with a contextLength of at most {fits}.",
            sizes.context
        );
    }
    let weights: u64 = catalog.tensors.iter().map(|t| t.bytes).sum();
    let most = megabytes(room.saturating_sub(least - weights.min(least)));
    bail!(
        OutOfMemory,
        "The model needs {needs} MB of memory, but there is room for {has}; use a model or quantisation of at most {most} MB, or a device with WebGPU."
    );
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}
