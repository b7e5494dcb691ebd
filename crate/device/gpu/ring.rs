//! Small results that are read while later work is already on its way: a ring of buffers, each of which takes a copy
//! behind the work that it belongs to.

use std::collections::VecDeque;

use futures_channel::oneshot;

use super::{Gpu, Prepared, one_line};
use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::{Code, Error, Result};

/// Results under way, the oldest first, and the buffers of those that were read.
pub struct Ring {
    bytes: u64,
    free: Vec<wgpu::Buffer>,
    pending: VecDeque<Pending>,
}

struct Pending {
    buffer: wgpu::Buffer,
    submission: wgpu::SubmissionIndex,
    mapped: oneshot::Receiver<bool>,
}

impl Ring {
    /// Results under way.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// No result waits to be read.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// No more results fit before one is read.
    pub fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// Forgets the results under way; their work is done all the same.
    pub fn clear(&mut self) {
        for Pending { buffer, .. } in self.pending.drain(..) {
            buffer.unmap();
            self.free.push(buffer);
        }
    }
}

impl Gpu {
    /// A ring for `slots` results of `bytes`, a multiple of 4.
    pub fn ring(&self, slots: usize, bytes: u64) -> Ring {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let free = (0..slots).map(|_| self.buffer("result", bytes, usage)).collect();
        Ring { bytes, free, pending: VecDeque::with_capacity(slots) }
    }

    /// Submits the recordings, in order, and behind them a copy of the start of `source` into the ring.
    /// `Internal` where the ring is full.
    pub fn run_into(&self, ring: &mut Ring, recordings: &[&Prepared], source: BufferId) -> Result<()> {
        let Some(buffer) = ring.free.pop() else {
            bail!(Internal, "A result was asked for while all {} of its ring are under way.", ring.pending.len());
        };
        let mut encoder = self.device.create_command_encoder(&Default::default());
        recordings.iter().for_each(|prepared| self.encode(&mut encoder, prepared));
        encoder.copy_buffer_to_buffer(&self.buffers[source.0], 0, &buffer, 0, ring.bytes);
        let submission = self.queue.submit([encoder.finish()]);
        let (sender, mapped) = oneshot::channel();
        buffer.slice(..).map_async(wgpu::MapMode::Read, move |result| {
            let _ = sender.send(result.is_ok());
        });
        ring.pending.push_back(Pending { buffer, submission, mapped });
        Ok(())
    }

    /// The oldest result under way, once it is there. `Internal` where there is none, `DeviceLost` and the like where
    /// the device failed.
    pub async fn result(&self, ring: &mut Ring) -> Result<Vec<u8>> {
        self.check()?;
        let Some(oldest) = ring.pending.front_mut() else {
            bail!(Internal, "A result was waited for, but none is under way.");
        };
        self.wait_for(oldest.submission.clone());
        let mapped = (&mut oldest.mapped).await.unwrap_or(false);
        self.check()?;
        if !mapped {
            bail!(DeviceLost, "The GPU device was lost while a token was read back; load the model again.");
        }
        let data = oldest.buffer.slice(..).get_mapped_range().map(|view| view.to_vec()).map_err(|e| {
            Error::new(
                Code::Gpu,
                format!("A token could not be read from the GPU ({}); load the model again.", one_line(&e.to_string())),
            )
        })?;
        if let Some(Pending { buffer, .. }) = ring.pending.pop_front() {
            buffer.unmap();
            ring.free.push(buffer);
        }
        Ok(data)
    }
}
