//! Kernels compiled: when they are first prepared, or ahead of that where a browser has threads for it.

use std::collections::HashSet;
use std::sync::Arc;

use super::Gpu;
use crate::base::cancel::Cancel;
use crate::base::error::Result;
use crate::base::platform::BROWSER;
use crate::device::recording::Recording;
use crate::kernels::face::{Access, VariantId};

#[cfg(target_arch = "wasm32")]
pub(super) use super::ahead::Ahead;

/// Natively a kernel is compiled when it is first prepared.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Default)]
pub(super) struct Ahead;

#[cfg(not(target_arch = "wasm32"))]
impl Ahead {
    fn begin(&self, _: &wgpu::Device, _: &'static str, _: &str, _: &[Access]) {}
    async fn done(&self, _: &str) {}
}

pub(super) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

impl Gpu {
    /// Begins to compile kernels where that can be done beside other work: in browsers.
    pub fn compile_ahead(&self, variants: impl IntoIterator<Item = VariantId>) {
        let mut begun: HashSet<VariantId> = self.pipelines.borrow().keys().copied().collect();
        for id in variants {
            if begun.insert(id) {
                let variant = id.get();
                self.ahead.begin(&self.device, variant.name, &variant.source(BROWSER), id.kernel().bindings);
            }
        }
    }

    /// Waits for those of a recording's kernels that [`Gpu::compile_ahead`] began. `Aborted` where the work was
    /// cancelled meanwhile.
    pub async fn compiled(&self, recording: &Recording, cancel: &Cancel) -> Result<()> {
        for dispatch in &recording.dispatches {
            cancel.check()?;
            self.ahead.done(dispatch.variant.name()).await;
        }
        Ok(())
    }

    pub(super) fn pipeline(&self, variant: VariantId) -> Arc<Pipeline> {
        if let Some(found) = self.pipelines.borrow().get(&variant) {
            return found.clone();
        }
        let source = self.source(variant);
        let made = Arc::new(self.compile(variant.get().name, source, variant.kernel().bindings));
        self.pipelines.borrow_mut().insert(variant, made.clone());
        made
    }

    #[cfg(target_arch = "wasm32")]
    fn source(&self, variant: VariantId) -> String {
        variant.get().source(BROWSER)
    }

    /// With what a test has changed.
    #[cfg(not(target_arch = "wasm32"))]
    fn source(&self, variant: VariantId) -> String {
        let of_it = self.spoiled.iter().filter(|spoiled| variant.name().starts_with(spoiled.kernel));
        of_it.fold(variant.get().source(BROWSER), |source, spoiled| source.replace(spoiled.from, spoiled.to))
    }

    pub(super) fn compile(&self, name: &str, source: String, bindings: &[Access]) -> Pipeline {
        let entry = |binding: usize, ty| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        };
        let mut entries: Vec<_> = bindings
            .iter()
            .enumerate()
            .map(|(i, &a)| entry(i, wgpu::BufferBindingType::Storage { read_only: a == Access::Read }))
            .collect();
        entries.push(entry(bindings.len(), wgpu::BufferBindingType::Uniform));
        let layout = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(name), entries: &entries });
        let text = wgpu::ShaderModuleDescriptor { label: Some(name), source: wgpu::ShaderSource::Wgsl(source.into()) };
        // As Chrome compiles them: bounds are checked, but loops get no counters, which would keep drivers from unrolling
        // them (see shaders/shared/turns.wgsl).
        let checks = wgpu::ShaderRuntimeChecks { force_loop_bounding: false, ..Default::default() };
        // SAFETY: every loop of the shaders counts up to a bound, so none is endless.
        let module = unsafe { self.device.create_shader_module_trusted(text, checks) };
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            // Every kernel writes its shared memory before it reads it.
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        self.made(2);
        Pipeline { pipeline, layout }
    }
}
