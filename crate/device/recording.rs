//! A flat list of dispatches: what a forward pass is, before anything runs it. The GPU makes bind groups of it
//! once and replays them; the CPU mirrors walk it to say which dispatch is wrong.

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::kernels::{self, Kernel, VariantId};

#[derive(Clone, Debug)]
pub struct Dispatch {
    pub kernel: &'static Kernel,
    pub variant: VariantId,
    /// The uniform struct's bytes (see `kernels/params.rs`).
    pub params: Vec<u8>,
    /// One per storage binding, in the kernel's order.
    pub buffers: Vec<BufferId>,
    /// Workgroups in x, y, z.
    pub grid: [u32; 3],
}

#[derive(Clone, Debug, Default)]
pub struct Recording {
    pub dispatches: Vec<Dispatch>,
}

/// WebGPU's limit of workgroups in each dimension.
const MAX_GRID: u32 = 65_535;

impl Recording {
    /// What its dispatches run, some of it more than once.
    pub fn kernels(&self) -> impl Iterator<Item = (&'static Kernel, VariantId)> {
        self.dispatches.iter().map(|dispatch| (dispatch.kernel, dispatch.variant))
    }

    /// Appends one dispatch of `variant` (`kernel.choice.choice`, see `shaders/permutations`).
    /// A variant that does not exist or a grid that no adapter takes is `Internal`: a bug, not bad input.
    pub fn push<P: bytemuck::Pod>(
        &mut self,
        variant: &str,
        params: P,
        buffers: &[BufferId],
        grid: [u32; 2],
    ) -> Result<()> {
        let Some((kernel, id)) = kernels::find(variant) else {
            bail!(Internal, "There is no kernel variant '{variant}'.");
        };
        if buffers.len() != kernel.bindings.len() {
            bail!(Internal, "Kernel '{variant}' takes {} buffers, not {}.", kernel.bindings.len(), buffers.len());
        }
        if grid.contains(&0) || grid.iter().any(|&g| g > MAX_GRID) {
            bail!(Internal, "Kernel '{variant}' cannot run on a grid of {} by {}.", grid[0], grid[1]);
        }
        self.dispatches.push(Dispatch {
            kernel,
            variant: id,
            params: bytemuck::bytes_of(&params).to_vec(),
            buffers: buffers.to_vec(),
            grid: [grid[0], grid[1], 1],
        });
        Ok(())
    }
}
