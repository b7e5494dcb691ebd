//! What a model runs on: a GPU by WebGPU, or the CPU. Both take the same recordings.

#[cfg(feature = "cpu")]
pub mod cpu;
#[cfg(not(feature = "cpu"))]
#[path = "absent/cpu.rs"]
#[allow(missing_docs, reason = "these are the names of what there is not")]
mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;
#[cfg(not(feature = "gpu"))]
#[path = "absent/gpu.rs"]
#[allow(missing_docs, reason = "these are the names of what there is not")]
pub mod gpu;
pub mod memory;
pub mod options;
pub mod pool;
pub mod recording;
#[cfg(not(target_arch = "wasm32"))]
pub mod reference;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::buffer::BufferId;
use crate::base::cancel::Cancel;
use crate::base::error::{Code, Error, Result};
use crate::base::platform::BROWSER;
use crate::device::gpu::Gpu;
use crate::device::memory::{Exchange, Memory, Move, Moves, Named};
use crate::device::options::GpuOptions;
use crate::device::recording::Recording;
use crate::kernels::choose::AdapterName;
use crate::kernels::job::Together;
use crate::quant::TensorType;

pub use cpu::Cpu;
pub use options::{CpuOptions, Pause};
pub use pool::{Pool, Spawn, Worker};

/// Whether this build can compute on the CPU; without, who wants it where WebGPU fails takes another build.
pub const HAS_CPU: bool = cfg!(feature = "cpu");

/// Which device the caller wants; `auto` is a GPU where there is one, else the CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// A graphics card where WebGPU offers one, else the CPU.
    #[default]
    Auto,
    /// WebGPU, or an error.
    Webgpu,
    /// The CPU.
    Cpu,
}

impl Backend {
    /// Its name as options and results write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Backend::Auto => "auto",
            Backend::Webgpu => "webgpu",
            Backend::Cpu => "cpu",
        }
    }
}

/// What a model runs on.
pub enum Device {
    /// A WebGPU adapter.
    Gpu(Gpu),
    /// The CPU.
    Cpu(Cpu),
}

/// A device, and how it came to be this one.
pub struct Chosen {
    /// What was chosen.
    pub device: Device,
    /// A sentence.
    pub reason: String,
    /// Why WebGPU did not start, where the CPU takes its place.
    pub warning: Option<Error>,
}

impl Chosen {
    /// The device that is wanted. `NoWebgpu` and `AdapterTooSmall` only where WebGPU itself is.
    pub async fn new(backend: Backend, gpu: &GpuOptions, cpu: &CpuOptions, fast: bool) -> Result<Chosen> {
        let on = |device, reason: String| Ok(Chosen { device, reason, warning: None });
        match backend {
            Backend::Webgpu => on(Device::Gpu(Gpu::request(gpu.clone()).await?), "WebGPU was asked for.".into()),
            Backend::Cpu => on(Device::Cpu(Cpu::new(cpu, fast)?), "The CPU was asked for.".into()),
            Backend::Auto => {
                let software = |name: &AdapterName| {
                    format!("The WebGPU adapter '{name}' is software, which the CPU's own kernels outrun.")
                };
                // Where the adapter is known already, no device need be made to learn what it is.
                if let Some(name) = gpu.adapter.as_ref().filter(|name| name.is_software()) {
                    return on(Device::Cpu(Cpu::new(cpu, fast)?), software(name));
                }
                match Gpu::request(gpu.clone()).await {
                    Ok(found) if found.caps.is_software => {
                        on(Device::Cpu(Cpu::new(cpu, fast)?), software(&found.caps.adapter))
                    }
                    Ok(found) => {
                        let reason = format!("WebGPU offers the graphics adapter '{}'.", found.caps.adapter);
                        on(Device::Gpu(found), reason)
                    }
                    Err(error) if !HAS_CPU => Err(error),
                    Err(error) => Chosen::instead(error, cpu, fast),
                }
            }
        }
    }

    /// The CPU, because WebGPU failed.
    pub fn instead(error: Error, cpu: &CpuOptions, fast: bool) -> Result<Chosen> {
        let message = format!("The model runs on the CPU because WebGPU did not start. {}", error.message);
        let warning = Some(Error::new(error.code, message));
        let device = Device::Cpu(Cpu::new(cpu, fast)?);
        let mut reason = format!("WebGPU did not start. {}", error.message);
        if BROWSER && device.threads() == 1 {
            reason += " It computes on one thread; asked for the CPU, a cross-origin isolated page may use more.";
        }
        Ok(Chosen { device, reason, warning })
    }
}

/// A recording made ready for one device.
pub enum Prepared {
    /// Commands with their bindings.
    Gpu(gpu::Prepared),
    /// The recording as it is.
    Cpu(Recording),
}

impl Prepared {
    /// Dispatches.
    pub fn len(&self) -> usize {
        match self {
            Prepared::Gpu(prepared) => prepared.len(),
            Prepared::Cpu(recording) => recording.dispatches.len(),
        }
    }
    /// Whether there is no dispatch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn gpu(&self) -> Option<&gpu::Prepared> {
        match self {
            Prepared::Gpu(prepared) => Some(prepared),
            Prepared::Cpu(_) => None,
        }
    }
}

/// Results that were not read yet, the oldest first.
pub enum Ring {
    /// On a GPU.
    Gpu(gpu::Ring),
    /// On the CPU.
    Cpu(cpu::Ring),
}

impl Ring {
    /// No more results fit before one is read.
    pub fn is_full(&self) -> bool {
        match self {
            Ring::Gpu(ring) => ring.is_full(),
            Ring::Cpu(ring) => ring.is_full(),
        }
    }

    /// No result waits to be read.
    pub fn is_empty(&self) -> bool {
        match self {
            Ring::Gpu(ring) => ring.is_empty(),
            Ring::Cpu(ring) => ring.is_empty(),
        }
    }

    /// Drops what was not read.
    pub fn clear(&mut self) {
        match self {
            Ring::Gpu(ring) => ring.clear(),
            Ring::Cpu(ring) => ring.clear(),
        }
    }
}

fn foreign<T>() -> Result<T> {
    Err(Error::new(Code::Internal, "What was made ready for one device was given to another."))
}

impl Device {
    /// What it is, not what was wanted: never `Auto`.
    pub fn backend(&self) -> Backend {
        match self {
            Device::Gpu(_) => Backend::Webgpu,
            Device::Cpu(_) => Backend::Cpu,
        }
    }

    /// The GPU, where it is one.
    pub fn gpu(&self) -> Option<&Gpu> {
        match self {
            Device::Gpu(gpu) => Some(gpu),
            Device::Cpu(_) => None,
        }
    }

    /// For messages.
    pub fn name(&self) -> String {
        match self {
            Device::Gpu(gpu) => gpu.caps.adapter.to_string(),
            Device::Cpu(_) => "CPU".into(),
        }
    }

    /// Bytes of all buffers that are not in this program's own memory.
    pub fn gpu_bytes(&self) -> u64 {
        self.gpu().map_or(0, Gpu::bytes)
    }

    /// How products of many rows are made, where there is a choice.
    pub fn set_together(&mut self, together: Together) {
        if let Device::Cpu(cpu) = self {
            cpu.set_together(together);
        }
    }

    /// Bytes of all buffers, wherever they are.
    pub fn bytes(&self) -> u64 {
        match self {
            Device::Gpu(gpu) => gpu.bytes(),
            Device::Cpu(cpu) => cpu.bytes(),
        }
    }

    /// Threads of this program that compute.
    pub fn threads(&self) -> usize {
        match self {
            Device::Gpu(_) => 1,
            Device::Cpu(cpu) => cpu.threads(),
        }
    }

    /// Fails with whatever the device has reported since the start.
    pub fn check(&self) -> Result<()> {
        self.gpu().map_or(Ok(()), Gpu::check)
    }

    /// Whether one row's attention gains by being cut into stretches of the context: where several compute.
    pub fn splits(&self) -> bool {
        self.gpu().is_some() || self.threads() > 1
    }

    /// Makes a recording ready to run, once its kernels are compiled. `Aborted` where the work was cancelled meanwhile.
    pub async fn prepare(&self, recording: &Recording, cancel: &Cancel) -> Result<Prepared> {
        match self {
            Device::Gpu(gpu) => {
                gpu.compiled(recording, cancel).await?;
                Ok(Prepared::Gpu(gpu.prepare(recording)))
            }
            Device::Cpu(_) => Ok(Prepared::Cpu(recording.clone())),
        }
    }

    /// Runs every dispatch, in order. On a GPU they are only submitted; on the CPU they are done when this returns,
    /// or the work was cancelled in between: then it is `Aborted`.
    pub async fn run(&mut self, prepared: &Prepared, cancel: &Cancel) -> Result<()> {
        match (self, prepared) {
            (Device::Gpu(gpu), Prepared::Gpu(prepared)) => {
                gpu.run(prepared);
                Ok(())
            }
            (Device::Cpu(cpu), Prepared::Cpu(recording)) => cpu.run(recording, cancel).await,
            _ => foreign(),
        }
    }

    /// The microseconds of each dispatch, run one by one. `BadOption` where the device has no clock.
    pub async fn time(&mut self, prepared: &Prepared) -> Result<Vec<f64>> {
        match (self, prepared) {
            (Device::Gpu(gpu), Prepared::Gpu(prepared)) => gpu.time(prepared).await,
            (Device::Cpu(cpu), Prepared::Cpu(recording)) => cpu.time(recording).await,
            _ => foreign(),
        }
    }

    /// `BadOption` where dispatches cannot be timed.
    pub fn check_timestamps(&self) -> Result<()> {
        self.gpu().map_or(Ok(()), Gpu::check_timestamps)
    }

    /// The first `bytes` of a buffer, after everything run so far.
    pub async fn read(&self, id: BufferId, bytes: u64) -> Result<Vec<u8>> {
        self.read_at(id, 0, bytes).await
    }

    /// `bytes` of a buffer from byte `offset` on, after everything run so far; both are multiples of 4.
    pub async fn read_at(&self, id: BufferId, offset: u64, bytes: u64) -> Result<Vec<u8>> {
        match self {
            Device::Gpu(gpu) => gpu.read_at(id, offset, bytes).await,
            Device::Cpu(cpu) => Ok(cpu.read(id, offset + bytes)[offset as usize..].to_vec()),
        }
    }

    /// Waits until everything run so far is done.
    pub async fn idle(&self) -> Result<()> {
        match self {
            Device::Gpu(gpu) => gpu.idle().await,
            Device::Cpu(_) => Ok(()),
        }
    }

    /// A ring for `slots` results of `bytes`, a multiple of 4.
    pub fn ring(&self, slots: usize, bytes: u64) -> Ring {
        match self {
            Device::Gpu(gpu) => Ring::Gpu(gpu.ring(slots, bytes)),
            Device::Cpu(_) => Ring::Cpu(cpu::Ring::new(slots, bytes)),
        }
    }

    /// Runs the recordings, in order, and behind them copies the start of `source` into the ring.
    /// `Internal` where the ring is full; else as [`Device::run`].
    pub async fn run_into(
        &mut self,
        ring: &mut Ring,
        recordings: &[&Prepared],
        source: BufferId,
        cancel: &Cancel,
    ) -> Result<()> {
        match (self, ring) {
            (Device::Gpu(gpu), Ring::Gpu(ring)) => {
                let all: Option<Vec<&gpu::Prepared>> = recordings.iter().map(|prepared| prepared.gpu()).collect();
                all.map_or_else(foreign, |all| gpu.run_into(ring, &all, source))
            }
            (Device::Cpu(cpu), Ring::Cpu(ring)) => {
                for prepared in recordings {
                    let Prepared::Cpu(recording) = prepared else { return foreign() };
                    cpu.run(recording, cancel).await?;
                }
                ring.push(cpu.read(source, ring.bytes()))
            }
            _ => foreign(),
        }
    }

    /// The oldest result of a ring. `Internal` where there is none, `DeviceLost` and the like where the device failed.
    pub async fn result(&self, ring: &mut Ring) -> Result<Vec<u8>> {
        match (self, ring) {
            (Device::Gpu(gpu), Ring::Gpu(ring)) => gpu.result(ring).await,
            (Device::Cpu(_), Ring::Cpu(ring)) => ring.pop(),
            _ => foreign(),
        }
    }

    fn memory(&self) -> &dyn Memory {
        match self {
            Device::Gpu(gpu) => gpu,
            Device::Cpu(cpu) => cpu,
        }
    }

    fn memory_mut(&mut self) -> &mut dyn Memory {
        match self {
            Device::Gpu(gpu) => gpu,
            Device::Cpu(cpu) => cpu,
        }
    }
}

impl Memory for Device {
    fn alloc(&mut self, label: &str, bytes: u64) -> Result<BufferId> {
        self.memory_mut().alloc(label, bytes)
    }
    fn write(&mut self, id: BufferId, offset: u64, bytes: &[u8]) {
        self.memory_mut().write(id, offset, bytes);
    }
    fn max_binding(&self) -> u64 {
        self.memory().max_binding()
    }
    fn arrange(&mut self, id: BufferId, kind: TensorType, planes: [u32; 4], n_rows: u32, k: u32) {
        self.memory_mut().arrange(id, kind, planes, n_rows, k);
    }
}

impl Exchange for Device {
    fn free(&mut self, id: BufferId) {
        match self {
            Device::Gpu(gpu) => gpu.free(id),
            Device::Cpu(cpu) => cpu.free(id),
        }
    }
    fn copy(&mut self, from: (BufferId, u64), to: (BufferId, u64), bytes: u64) {
        match self {
            Device::Gpu(gpu) => gpu.copy(from, to, bytes),
            Device::Cpu(cpu) => cpu.copy(from, to, bytes),
        }
    }
}

impl Moves for Device {
    fn move_bytes(&mut self, moves: &[Move]) {
        match self {
            Device::Gpu(gpu) => gpu.move_bytes(moves),
            Device::Cpu(cpu) => cpu.move_bytes(moves),
        }
    }
}

impl Named for Device {
    fn label(&self, id: BufferId) -> &str {
        match self {
            Device::Gpu(gpu) => gpu.label(id),
            Device::Cpu(cpu) => cpu.label(id),
        }
    }
    fn buffer_bytes(&self, id: BufferId) -> u64 {
        match self {
            Device::Gpu(gpu) => gpu.buffer_bytes(id),
            Device::Cpu(cpu) => cpu.buffer_bytes(id),
        }
    }
}
