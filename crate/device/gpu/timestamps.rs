//! The GPU's own clock: how long each dispatch of a recording took.
//!
//! Inside a pass the web offers no timestamps, so a timed recording runs as one pass a dispatch: each is timed without
//! its neighbours' overlap, and the sum is somewhat above the time of the recording run whole.

use super::{Gpu, Prepared};
use crate::bail;
use crate::base::error::Result;

/// Dispatches per query set: two timestamps each, of WebGPU's 4096.
const PER_SET: usize = 2048;

impl Gpu {
    /// Runs every dispatch once, in order, and returns the microseconds of each.
    /// `BadOption` where the adapter has no timestamps, or its clock stands still.
    pub async fn time(&self, prepared: &Prepared) -> Result<Vec<f64>> {
        self.check_timestamps()?;
        let mut times = Vec::with_capacity(prepared.len());
        for steps in prepared.steps.chunks(PER_SET) {
            let count = steps.len() as u32 * 2;
            let bytes = u64::from(count) * 8;
            let set = self.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count,
            });
            let resolved =
                self.buffer("timestamps", bytes, wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
            let mut encoder = self.device.create_command_encoder(&Default::default());
            for (i, (pipeline, group, [x, y, z])) in (0..).zip(steps) {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: None,
                    timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                        query_set: &set,
                        beginning_of_pass_write_index: Some(2 * i),
                        end_of_pass_write_index: Some(2 * i + 1),
                    }),
                });
                pass.set_pipeline(&pipeline.pipeline);
                pass.set_bind_group(0, group, &[]);
                pass.dispatch_workgroups(*x, *y, *z);
            }
            encoder.resolve_query_set(&set, 0..count, &resolved, 0);
            self.queue.submit([encoder.finish()]);
            let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&self.read_buffer(&resolved, 0, bytes).await?);
            let period = f64::from(self.queue.get_timestamp_period()) / 1e3;
            // A clock that was reset in between gives an end before its start.
            times.extend(ticks.chunks_exact(2).map(|t| t[1].saturating_sub(t[0]) as f64 * period));
        }
        if !times.is_empty() && times.iter().all(|&us| us == 0.0) {
            bail!(
                BadOption,
                "The adapter '{}' has timestamps that do not advance; profile on another adapter.",
                self.caps.adapter
            );
        }
        Ok(times)
    }

    /// `BadOption` where dispatches cannot be timed.
    pub fn check_timestamps(&self) -> Result<()> {
        if !self.caps.timestamps {
            bail!(
                BadOption,
                "The adapter '{}' gives no timestamps, so kernels cannot be timed; leave the profile out or use another adapter.",
                self.caps.adapter
            );
        }
        Ok(())
    }
}
