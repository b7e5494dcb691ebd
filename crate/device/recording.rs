//! A flat list of dispatches: what a forward pass is, before anything runs it. The GPU makes bind groups of it
//! once and replays them; the CPU mirrors walk it to say which dispatch is wrong.
//!
//! ```
//! # use sotto::base::buffer::BufferId;
//! # use sotto::device::recording::Recording;
//! # use sotto::kernels::table::{choices::Reduce, rmsnorm};
//! # let [x, weight, rows, out] = [0, 1, 2, 3].map(BufferId);
//! # let mut recording = Recording::default();
//! let variant = rmsnorm::Variant { reduce: Reduce::Tree };
//! let params = rmsnorm::Params { k4: 16, eps: 1e-5, gather: 0, accumulate: 0 };
//! recording.push(variant, params, rmsnorm::Bind { x, weight, rows, out }, [1, 8])?;
//! # Ok::<(), sotto::base::error::Error>(())
//! ```
//!
//! A buffer under a wrong name does not compile:
//!
//! ```compile_fail,E0560
//! # use sotto::base::buffer::BufferId;
//! # use sotto::device::recording::Recording;
//! # use sotto::kernels::table::{choices::Reduce, rmsnorm};
//! # let [x, weight, rows, out] = [0, 1, 2, 3].map(BufferId);
//! # let mut recording = Recording::default();
//! # let variant = rmsnorm::Variant { reduce: Reduce::Tree };
//! # let params = rmsnorm::Params { k4: 16, eps: 1e-5, gather: 0, accumulate: 0 };
//! recording.push(variant, params, rmsnorm::Bind { x, norm: weight, rows, out }, [1, 8])?;
//! # Ok::<(), sotto::base::error::Error>(())
//! ```
//!
//! Nor does a dispatch without one of its buffers:
//!
//! ```compile_fail,E0063
//! # use sotto::base::buffer::BufferId;
//! # use sotto::device::recording::Recording;
//! # use sotto::kernels::table::{choices::Reduce, rmsnorm};
//! # let [x, weight, rows, out] = [0, 1, 2, 3].map(BufferId);
//! # let mut recording = Recording::default();
//! # let variant = rmsnorm::Variant { reduce: Reduce::Tree };
//! # let params = rmsnorm::Params { k4: 16, eps: 1e-5, gather: 0, accumulate: 0 };
//! recording.push(variant, params, rmsnorm::Bind { x, weight, out }, [1, 8])?;
//! # Ok::<(), sotto::base::error::Error>(())
//! ```
//!
//! Nor one with the uniforms of another kernel:
//!
//! ```compile_fail,E0271
//! # use sotto::base::buffer::BufferId;
//! # use sotto::device::recording::Recording;
//! # use sotto::kernels::table::{choices::Reduce, map, rmsnorm};
//! # let [x, weight, rows, out] = [0, 1, 2, 3].map(BufferId);
//! # let mut recording = Recording::default();
//! # let variant = rmsnorm::Variant { reduce: Reduce::Tree };
//! recording.push(variant, map::Params { curve: [0.0; 4], n4: 16, gated: 1 }, rmsnorm::Bind { x, weight, rows, out }, [1, 8])?;
//! # Ok::<(), sotto::base::error::Error>(())
//! ```

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
