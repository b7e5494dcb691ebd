//! The WebGPU device: what it can do, its buffers, and recordings made ready to replay.

#[cfg(target_arch = "wasm32")]
mod ahead;
mod compile;
mod foreign;
mod moves;
mod request;
mod ring;
mod timestamps;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures_channel::oneshot;

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::{Code, Error, Result};
use crate::base::platform::BROWSER;
use crate::device::memory::{Memory, Named};
use crate::device::recording::Recording;

use compile::{Ahead, Pipeline};

pub use crate::device::options::GpuOptions;
use crate::kernels::choose::Caps;
use crate::kernels::face::VariantId;
pub use ring::Ring;

/// A WebGPU device and its buffers.
pub struct Gpu {
    /// What it can do.
    pub caps: Caps,
    device: wgpu::Device,
    queue: wgpu::Queue,
    buffers: Vec<wgpu::Buffer>,
    /// What each buffer was called when it was allocated.
    labels: Vec<String>,
    /// Numbers of buffers that were given back.
    vacant: Vec<BufferId>,
    bytes: u64,
    pipelines: RefCell<HashMap<VariantId, Arc<Pipeline>>>,
    ahead: Ahead,
    /// The reason, once the device is lost or has failed: everything later reports it.
    failure: Arc<Mutex<Option<Error>>>,
    /// One mappable buffer, kept for the next readback.
    staging: RefCell<Option<wgpu::Buffer>>,
    /// What bytes pass through that move within a buffer.
    passage: wgpu::Buffer,
    /// What tests change in the text of a kernel.
    #[cfg(not(target_arch = "wasm32"))]
    spoiled: Vec<crate::device::options::Spoiled>,
    /// Objects made so far: the decode loop must not make any.
    pub objects_made: Cell<u64>,
}

/// A recording with its bind groups: replayed without making anything new.
pub struct Prepared {
    steps: Vec<(Arc<Pipeline>, wgpu::BindGroup, [u32; 3])>,
}

impl Prepared {
    /// Dispatches.
    pub fn len(&self) -> usize {
        self.steps.len()
    }
    /// Whether there is no dispatch.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// Bytes that uniform structs are apart: WebGPU's largest allowed alignment, so that it fits every adapter.
const UNIFORM_STRIDE: u64 = 256;

impl Gpu {
    /// Bytes of all buffers so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn buffer(&self, label: &str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        self.made(1);
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        })
    }

    fn made(&self, count: u64) {
        self.objects_made.set(self.objects_made.get() + count);
    }

    /// Fails with whatever the device has reported since the start.
    pub fn check(&self) -> Result<()> {
        match &*self.failure.lock().unwrap() {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Ends the device, as a driver that crashes does: all that is asked of it from here on is `DeviceLost`.
    pub fn destroy(&self) {
        note(&self.failure, Code::DeviceLost, "The GPU device was destroyed; load the model again.".into());
        self.device.destroy();
    }

    /// Makes the pipelines, one buffer of all uniform structs, and the bind groups.
    pub fn prepare(&self, recording: &Recording) -> Prepared {
        let count = recording.dispatches.len() as u64;
        let uniforms = self.buffer(
            "params",
            count.max(1) * UNIFORM_STRIDE,
            wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        );
        let mut params = vec![0u8; (count * UNIFORM_STRIDE) as usize];
        let steps = recording
            .dispatches
            .iter()
            .enumerate()
            .map(|(i, d)| {
                let offset = i as u64 * UNIFORM_STRIDE;
                params[offset as usize..][..d.params.len()].copy_from_slice(&d.params);
                let pipeline = self.pipeline(d.variant);
                let mut entries: Vec<_> = d
                    .buffers
                    .iter()
                    .enumerate()
                    .map(|(binding, id)| wgpu::BindGroupEntry {
                        binding: binding as u32,
                        resource: self.buffers[id.0].as_entire_binding(),
                    })
                    .collect();
                entries.push(wgpu::BindGroupEntry {
                    binding: d.buffers.len() as u32,
                    resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: &uniforms,
                        offset,
                        size: wgpu::BufferSize::new(d.params.len().next_multiple_of(16) as u64),
                    }),
                });
                let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some(d.variant.get().name),
                    layout: &pipeline.layout,
                    entries: &entries,
                });
                (pipeline, group, d.grid)
            })
            .collect();
        self.made(count);
        self.queue.write_buffer(&uniforms, 0, &params);
        Prepared { steps }
    }

    /// Submits every dispatch, in order, in one command buffer.
    pub fn run(&self, prepared: &Prepared) {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        self.encode(&mut encoder, prepared);
        self.queue.submit([encoder.finish()]);
    }

    /// Encodes every dispatch into a command buffer that is never submitted, for timing it.
    pub fn encode_only(&self, prepared: &Prepared) {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        self.encode(&mut encoder, prepared);
        drop(encoder.finish());
    }

    fn encode(&self, encoder: &mut wgpu::CommandEncoder, prepared: &Prepared) {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for (pipeline, group, [x, y, z]) in &prepared.steps {
            pass.set_pipeline(&pipeline.pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(*x, *y, *z);
        }
    }

    /// The first `bytes` of a buffer, after everything submitted so far.
    pub async fn read(&self, id: BufferId, bytes: u64) -> Result<Vec<u8>> {
        self.read_at(id, 0, bytes).await
    }

    /// `bytes` of a buffer from byte `offset` on, a multiple of 4, after everything submitted so far.
    pub async fn read_at(&self, id: BufferId, offset: u64, bytes: u64) -> Result<Vec<u8>> {
        self.read_buffer(&self.buffers[id.0], offset, bytes).await
    }

    /// Pieces of buffers, (buffer, first byte, count), all multiples of 4, one behind the other.
    pub async fn read_pieces(&self, pieces: &[(BufferId, u64, u64)]) -> Result<Vec<u8>> {
        let pieces: Vec<_> = pieces.iter().map(|&(id, offset, bytes)| (&self.buffers[id.0], offset, bytes)).collect();
        self.read_buffers(&pieces).await
    }

    async fn read_buffer(&self, buffer: &wgpu::Buffer, offset: u64, bytes: u64) -> Result<Vec<u8>> {
        let mut data = self.read_buffers(&[(buffer, offset, bytes.next_multiple_of(4))]).await?;
        data.truncate(bytes as usize);
        Ok(data)
    }

    async fn read_buffers(&self, pieces: &[(&wgpu::Buffer, u64, u64)]) -> Result<Vec<u8>> {
        self.check()?;
        let size = pieces.iter().map(|(_, _, bytes)| bytes).sum();
        let staging = match self.staging.borrow_mut().take() {
            Some(buffer) if buffer.size() >= size => buffer,
            _ => self.buffer(
                "readback",
                size.next_power_of_two(),
                wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            ),
        };
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let mut to = 0;
        for &(buffer, offset, bytes) in pieces {
            encoder.copy_buffer_to_buffer(buffer, offset, &staging, to, bytes);
            to += bytes;
        }
        self.queue.submit([encoder.finish()]);
        let (sender, receiver) = oneshot::channel();
        staging.slice(..size).map_async(wgpu::MapMode::Read, move |result| {
            let _ = sender.send(result.is_ok());
        });
        self.wait();
        let mapped = receiver.await.unwrap_or(false);
        self.check()?;
        if !mapped {
            bail!(DeviceLost, "The GPU device was lost while results were read back; load the model again.");
        }
        let view = staging.slice(..size).get_mapped_range().map_err(|e| {
            Error::new(
                Code::Gpu,
                format!("A GPU buffer could not be read ({}); load the model again.", one_line(&e.to_string())),
            )
        })?;
        let data = view.to_vec();
        drop(view);
        staging.unmap();
        *self.staging.borrow_mut() = Some(staging);
        Ok(data)
    }

    /// Waits until the queue has done all it was given: the brake on uploads.
    pub async fn idle(&self) -> Result<()> {
        let (sender, receiver) = oneshot::channel();
        self.queue.submit([]);
        self.queue.on_submitted_work_done(move || {
            let _ = sender.send(());
        });
        self.wait();
        let _ = receiver.await;
        self.check()
    }

    /// Natively callbacks run when polled; a browser runs them itself.
    fn wait(&self) {
        if !BROWSER {
            let _ = self.device.poll(wgpu::PollType::wait_indefinitely());
        }
    }

    /// As [`Gpu::wait`], for no more than this submission.
    fn wait_for(&self, submission: wgpu::SubmissionIndex) {
        if !BROWSER {
            let _ = self.device.poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: None });
        }
    }
}

impl Memory for Gpu {
    /// `AdapterTooSmall` past the binding limit. Whether there was memory is told by [`Gpu::check`].
    fn alloc(&mut self, label: &str, bytes: u64) -> Result<BufferId> {
        let size = bytes.next_multiple_of(16).max(16);
        if size > self.caps.max_binding {
            bail!(
                AdapterTooSmall,
                "The buffer '{label}' needs {size} bytes but the adapter '{}' binds at most {}; use a smaller model or context.",
                self.caps.adapter,
                self.caps.max_binding
            );
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let buffer = self.buffer(label, size, usage);
        self.bytes += size;
        if let Some(id) = self.vacant.pop() {
            self.buffers[id.0] = buffer;
            self.labels[id.0] = label.to_string();
            return Ok(id);
        }
        self.buffers.push(buffer);
        self.labels.push(label.to_string());
        Ok(BufferId(self.buffers.len() - 1))
    }

    /// Queued: the copy is made before anything submitted later.
    fn write(&mut self, id: BufferId, offset: u64, bytes: &[u8]) {
        self.queue.write_buffer(&self.buffers[id.0], offset, bytes);
    }

    fn max_binding(&self) -> u64 {
        self.caps.max_binding
    }
}

impl Named for Gpu {
    fn label(&self, id: BufferId) -> &str {
        &self.labels[id.0]
    }
    fn buffer_bytes(&self, id: BufferId) -> u64 {
        self.buffers[id.0].size()
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        self.device.destroy();
    }
}

/// Keeps the first failure: later ones follow from it.
fn note(failure: &Mutex<Option<Error>>, code: Code, message: String) {
    failure.lock().unwrap().get_or_insert(Error::new(code, message));
}

/// Driver messages run over many lines; ours are one sentence.
fn one_line(text: &str) -> String {
    text.split_whitespace().take(40).collect::<Vec<_>>().join(" ")
}
