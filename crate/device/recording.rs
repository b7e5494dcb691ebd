//! A flat list of dispatches: what a forward pass is, before anything runs it. The GPU makes bind groups of it
//! once and replays them; the CPU mirrors walk it to say which dispatch is wrong.

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::kernels::face::{Chosen, Kernel, VariantId};

/// One kernel on some buffers.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// Which permutation of which kernel.
    pub variant: VariantId,
    /// The uniform struct's bytes, as many as the shader counts.
    pub params: Vec<u8>,
    /// One per storage binding, in the kernel's order.
    pub buffers: Vec<BufferId>,
    /// Workgroups in x, y, z.
    pub grid: [u32; 3],
}

impl Dispatch {
    /// The kernel that runs.
    pub fn kernel(&self) -> &'static Kernel {
        self.variant.kernel()
    }
}

/// Dispatches in the order in which they run.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// In the order in which they run.
    pub dispatches: Vec<Dispatch>,
}

/// WebGPU's limit of workgroups in each dimension.
const MAX_GRID: u32 = 65_535;

impl Recording {
    /// What its dispatches run, some of it more than once.
    pub fn variants(&self) -> impl Iterator<Item = VariantId> {
        self.dispatches.iter().map(|dispatch| dispatch.variant)
    }

    /// Appends one dispatch. A grid that no adapter takes is `Internal`: a bug, not bad input.
    pub fn push<P: bytemuck::Pod, B>(
        &mut self,
        variant: impl Into<Chosen<P, B>>,
        params: P,
        bind: B,
        grid: [u32; 2],
    ) -> Result<()> {
        let variant = variant.into();
        let id = variant.id;
        if grid.contains(&0) || grid.iter().any(|&g| g > MAX_GRID) {
            bail!(Internal, "Kernel '{}' cannot run on a grid of {} by {}.", id.name(), grid[0], grid[1]);
        }
        let mut bytes = bytemuck::bytes_of(&params).to_vec();
        bytes.resize(id.kernel().params_bytes, 0);
        self.dispatches.push(Dispatch {
            variant: id,
            params: bytes,
            buffers: variant.bound(bind),
            grid: [grid[0], grid[1], 1],
        });
        Ok(())
    }
}
