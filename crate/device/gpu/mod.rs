//! The WebGPU device: what it can do, its buffers, and recordings made ready to replay.

mod adapter;
#[cfg(target_arch = "wasm32")]
mod ahead;
mod compile;
mod foreign;
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

use crate::kernels::choose::{AdapterName, Caps};
use crate::kernels::face::VariantId;
pub use adapter::GpuOptions;
pub use ring::Ring;

pub struct Gpu {
    pub caps: Caps,
    device: wgpu::Device,
    queue: wgpu::Queue,
    buffers: Vec<wgpu::Buffer>,
    /// What each buffer was called when it was allocated.
    labels: Vec<String>,
    bytes: u64,
    pipelines: RefCell<HashMap<VariantId, Arc<Pipeline>>>,
    ahead: Ahead,
    /// The reason, once the device is lost or has failed: everything later reports it.
    failure: Arc<Mutex<Option<Error>>>,
    /// One mappable buffer, kept for the next readback.
    staging: RefCell<Option<wgpu::Buffer>>,
    /// Objects made so far: the decode loop must not make any.
    pub objects_made: Cell<u64>,
}

/// A recording with its bind groups: replayed without making anything new.
pub struct Prepared {
    steps: Vec<(Arc<Pipeline>, wgpu::BindGroup, [u32; 3])>,
}

impl Prepared {
    pub fn len(&self) -> usize {
        self.steps.len()
    }
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// Bytes that uniform structs are apart: WebGPU's largest allowed alignment, so that it fits every adapter.
const UNIFORM_STRIDE: u64 = 256;

impl Gpu {
    /// The adapter the browser or system prefers, with the largest limits it offers.
    /// `NoWebgpu` where there is none, `AdapterTooSmall` where its limits do not hold the kernels.
    pub async fn request(options: GpuOptions) -> Result<Self> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends =
            if BROWSER { wgpu::Backends::BROWSER_WEBGPU } else { wgpu::Backends::VULKAN | wgpu::Backends::METAL };
        let instance = wgpu::Instance::new(descriptor);
        let adapter = instance
            .request_adapter(&wgpu::RequestAdapterOptions {
                power_preference: wgpu::PowerPreference::HighPerformance,
                ..Default::default()
            })
            .await
            .map_err(|e| {
                // In a browser, what wgpu adds is a list of what is no browser's.
                let place = if BROWSER {
                    "This browser offers no WebGPU adapter".to_string()
                } else {
                    format!("There is no Vulkan or Metal adapter ({})", one_line(&e.to_string()))
                };
                Error::new(
                    Code::NoWebgpu,
                    format!("{place}; update the browser and graphics driver, or enable hardware acceleration."),
                )
            })?;
        let limits = adapter.limits();
        if limits.max_storage_buffers_per_shader_stage < 8
            || limits.max_compute_workgroup_storage_size < 16_384
            || limits.max_compute_invocations_per_workgroup < 128
        {
            bail!(
                AdapterTooSmall,
                "The adapter '{}' is below WebGPU's default limits; use another browser or graphics card.",
                adapter.get_info().name
            );
        }
        let offered = adapter.features();
        let subgroups = options.subgroups && (BROWSER || offered.contains(wgpu::Features::SUBGROUP));
        let f16 = options.f16 && offered.contains(wgpu::Features::SHADER_F16);
        let mut features = wgpu::Features::empty();
        // wgpu has no mapping of this feature in a browser: there the page adds it to the request.
        features.set(wgpu::Features::SUBGROUP, subgroups && !BROWSER);
        features.set(wgpu::Features::SHADER_F16, f16);
        let timestamps = offered.contains(wgpu::Features::TIMESTAMP_QUERY);
        features.set(wgpu::Features::TIMESTAMP_QUERY, timestamps);
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("sotto"),
                required_features: features,
                required_limits: limits.clone(),
                ..Default::default()
            })
            .await
            .map_err(|e| {
                Error::new(
                    Code::NoWebgpu,
                    format!(
                        "The adapter refused a device ({}); reload the page or restart the browser.",
                        one_line(&e.to_string())
                    ),
                )
            })?;

        let failure = Arc::new(Mutex::new(None));
        let lost = failure.clone();
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                note(
                    &lost,
                    Code::DeviceLost,
                    format!("The GPU device was lost ({}); load the model again.", one_line(&message)),
                );
            }
        });
        let failed = failure.clone();
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
            let what = one_line(&e.to_string());
            match e {
                wgpu::Error::OutOfMemory { .. } => note(
                    &failed,
                    Code::OutOfMemory,
                    format!("The GPU has no memory for this model ({what}); use a smaller model or context."),
                ),
                _ => note(
                    &failed,
                    Code::Gpu,
                    format!("The GPU refused a command ({what}); please report it with the adapter's name."),
                ),
            }
        }));
        let info = adapter.get_info();
        let name = options.adapter.unwrap_or_else(|| AdapterName {
            vendor: [info.driver.as_str(), &info.driver_info].join(" ").trim().to_string(),
            architecture: String::new(),
            description: info.name.clone(),
            is_fallback: info.device_type == wgpu::DeviceType::Cpu,
        });
        let caps = Caps {
            subgroups,
            // 4 is the smallest there is, where the adapter does not say.
            subgroup_min: if subgroups { info.subgroup_min_size.max(4) } else { 0 },
            f16,
            dot: options.dot,
            timestamps,
            max_binding: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
            is_software: name.is_software(),
            adapter: name,
        };
        Ok(Gpu {
            caps,
            device,
            queue,
            buffers: Vec::new(),
            labels: Vec::new(),
            bytes: 0,
            pipelines: RefCell::default(),
            ahead: Ahead::default(),
            failure,
            staging: RefCell::default(),
            objects_made: Cell::new(0),
        })
    }

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
        self.read_buffer(&self.buffers[id.0], bytes).await
    }

    async fn read_buffer(&self, buffer: &wgpu::Buffer, bytes: u64) -> Result<Vec<u8>> {
        self.check()?;
        let size = bytes.next_multiple_of(4);
        let staging = match self.staging.borrow_mut().take() {
            Some(buffer) if buffer.size() >= size => buffer,
            _ => self.buffer(
                "readback",
                size.next_power_of_two(),
                wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            ),
        };
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, size);
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
        let data = view[..bytes as usize].to_vec();
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
        self.buffers.push(self.buffer(
            label,
            size,
            wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
        ));
        self.labels.push(label.to_string());
        self.bytes += size;
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
