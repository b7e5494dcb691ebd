//! What the device can do at most, by kernels that do nothing else: copy memory, multiply and add.

use serde::Serialize;
use sotto::base::error::Result;
use sotto::device::gpu::Gpu;
use sotto::device::memory::Memory;
use sotto::kernels::face::Access::{Read, Write};

use crate::clock;

/// Bytes copied: more than any cache holds, where the adapter binds so many.
const COPY_BYTES: u64 = 512 << 20;
const SOFTWARE_COPY_BYTES: u64 = 64 << 20;
/// A workgroup of copy.wgsl copies so many.
const COPY_STEP: u64 = 1024 * 16;

/// fma.wgsl: operations a thread, and threads a workgroup.
const FMA_FLOPS: f64 = 256.0 * 4.0 * 8.0 * 4.0 * 2.0;
const FMA_THREADS: u32 = 256;
const FMA_GROUPS: u32 = 4096;
const SOFTWARE_FMA_GROUPS: u32 = 32;

/// Dispatches in a command buffer: as many as a decoded token has.
const DISPATCHES: usize = 128;

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Limits {
    /// Bytes read and bytes written by a copy, in 10⁹ a second.
    pub copy_gbps: f64,
    /// f32 multiplications and additions, in 10¹² a second.
    pub fma_tflops: f64,
    /// Microseconds that a dispatch of next to no work takes which waits for the one before it.
    pub dispatch_us: f64,
}

impl Limits {
    pub fn read_us(&self, bytes: f64) -> f64 {
        bytes / self.copy_gbps / 1e3
    }

    pub fn compute_us(&self, flops: f64) -> f64 {
        flops / self.fma_tflops / 1e6
    }
}

pub fn measure(gpu: &mut Gpu) -> Result<Limits> {
    let software = gpu.caps.is_software;
    let wanted = if software { SOFTWARE_COPY_BYTES } else { COPY_BYTES };
    let bytes = wanted.min(gpu.max_binding()) / COPY_STEP * COPY_STEP;
    let buffers = [gpu.alloc("copy from", bytes)?, gpu.alloc("copy to", bytes)?];
    let grid = [(bytes / COPY_STEP) as u32, 1, 1];
    let copy = gpu.prepare_wgsl("copy", include_str!("copy.wgsl"), &[Read, Write], &buffers, grid);
    let copy_us = clock::kernel(gpu, &copy)?;

    let groups = if software { SOFTWARE_FMA_GROUPS } else { FMA_GROUPS };
    let threads = groups * FMA_THREADS;
    let buffers = [gpu.alloc("factors", 32)?, gpu.alloc("sums", u64::from(threads) * 16)?];
    // x becomes x/2 + 1/2: it stays near 1.
    gpu.write(buffers[0], 0, bytemuck::cast_slice(&[0.5f32; 8]));
    let fma = gpu.prepare_wgsl("fma", include_str!("fma.wgsl"), &[Read, Write], &buffers, [groups, 1, 1]);
    let fma_us = clock::kernel(gpu, &fma)?;

    // 16 KiB copied: each waits for the one before, since both write the same buffer.
    let buffers = [gpu.alloc("little from", COPY_STEP)?, gpu.alloc("little to", COPY_STEP)?];
    let little = gpu.prepare_wgsl("little", include_str!("copy.wgsl"), &[Read, Write], &buffers, [1, 1, 1]);
    let dispatch_us = clock::run(gpu, &little.repeated(DISPATCHES))? / DISPATCHES as f64;
    Ok(Limits {
        dispatch_us,
        copy_gbps: 2.0 * bytes as f64 / copy_us / 1e3,
        fma_tflops: FMA_FLOPS * f64::from(threads) / fma_us / 1e6,
    })
}
