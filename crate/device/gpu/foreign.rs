//! A kernel from outside the kernel table: what benchmarks measure the device itself with.

use std::sync::Arc;

use super::{Gpu, Prepared};
use crate::base::buffer::BufferId;
use crate::kernels::face::Access;

impl Gpu {
    /// One dispatch of a WGSL text with an entry point `main`. It binds `buffers` in group 0 as `bindings` says, and
    /// no uniforms.
    pub fn prepare_wgsl(
        &self,
        name: &str,
        source: &str,
        bindings: &[Access],
        buffers: &[BufferId],
        grid: [u32; 3],
    ) -> Prepared {
        let pipeline = Arc::new(self.compile(name, source.into(), bindings));
        let uniforms = self.buffer("params", 16, wgpu::BufferUsages::UNIFORM);
        let mut entries: Vec<_> = (0..)
            .zip(buffers)
            .map(|(binding, id)| wgpu::BindGroupEntry { binding, resource: self.buffers[id.0].as_entire_binding() })
            .collect();
        entries.push(wgpu::BindGroupEntry { binding: buffers.len() as u32, resource: uniforms.as_entire_binding() });
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(name),
            layout: &pipeline.layout,
            entries: &entries,
        });
        Prepared { steps: vec![(pipeline, group, grid)] }
    }
}

impl Prepared {
    /// The same dispatches, `count` times over.
    pub fn repeated(&self, count: usize) -> Prepared {
        Prepared { steps: self.steps.iter().cycle().take(count * self.len()).cloned().collect() }
    }
}
