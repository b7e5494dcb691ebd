//! How fast this processor multiplies weights: measured in a few milliseconds, without a model.

use std::time::Duration;

use crate::base::error::Result;
use crate::base::platform::Instant;
use crate::device::memory::Memory;
use crate::device::recording::Recording;
use crate::device::{Cpu, CpuOptions};
use crate::kernels::table::choices::Reduce;
use crate::kernels::table::matvec;
use crate::quant::{self, TensorType};

/// Rows of a matrix, and their length: it is larger than a core's own caches.
const N: u32 = 2048;
/// As most files have most of their weights.
const FORMAT: TensorType = TensorType::Q4_K;
const BUDGET: Duration = Duration::from_millis(8);

/// Weights that one thread multiplies in a second, by the kernel that models run on.
pub fn cpu() -> Result<f64> {
    let mut cpu = Cpu::new(&CpuOptions { threads: Some(1), ..CpuOptions::default() }, false);
    let (offsets, bytes) = quant::plane_offsets(FORMAT, u64::from(N) * u64::from(N));
    let mut planes = [0; 4];
    planes.iter_mut().zip(&offsets).for_each(|(plane, at)| *plane = (at / 4) as u32);
    let weights = cpu.alloc("weights", bytes)?;
    let [x, out] = [cpu.alloc("x", u64::from(N) * 4)?, cpu.alloc("out", u64::from(N) * 4)?];
    let none = cpu.alloc("none", 16)?;
    let params = matvec::Params { planes, n: N, k_blocks: N / 32, out_stride: N, lanes: 16, ..Default::default() };
    let bind = matvec::Bind { weights, x, bias: none, norm: none, rows: none, out };
    let mut recording = Recording::default();
    recording.push(matvec::Variant { format: FORMAT, reduce: Reduce::Tree }, params, bind, [1, 1])?;
    let started = Instant::now();
    let mut best = f64::INFINITY;
    loop {
        let begun = Instant::now();
        cpu.run_at_once(&recording)?;
        best = best.min(begun.elapsed().as_secs_f64());
        // Browsers round their clocks: what took no time is not believed.
        if started.elapsed() > BUDGET {
            return Ok(f64::from(N) * f64::from(N) / best.max(5e-5));
        }
    }
}
