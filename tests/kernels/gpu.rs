//! Runs dispatches on this machine's adapter and on the CPU mirrors, from the same bytes, and compares all they wrote.
//!
//! The adapter is whatever Vulkan or Metal offers; `VK_DRIVER_FILES` picks one of several.

use std::collections::BTreeMap;
use std::io::Write;

use sotto::base::buffer::BufferId;
use sotto::device::gpu::{Gpu, GpuOptions};
use sotto::device::memory::Memory;
use sotto::device::recording::{Dispatch, Recording};
use sotto::device::reference::CpuMemory;
use sotto::kernels::choose::Caps;
use sotto::kernels::face::{Face, Kernel, VariantId};
use sotto::kernels::table::choices::X;
use sotto::kernels::table::{KERNELS, VARIANTS, delta_blocks, matmul, matvec_rows};

use crate::case::{Case, Runs};
use crate::export::{Binding, Exporter};
use crate::findings::Findings;

pub struct Rig {
    gpu: Gpu,
    cpu: CpuMemory,
    /// Per field, a buffer that is the same number on both sides, and its words.
    pool: Vec<(BufferId, usize)>,
    findings: Findings<VariantId>,
    skipped: BTreeMap<VariantId, &'static str>,
    exporter: Option<Exporter>,
}

impl Rig {
    /// Fails where there is no adapter: a kernel that did not run is not a kernel that passed.
    pub fn new() -> Self {
        let gpu = pollster::block_on(Gpu::request(GpuOptions::default())).unwrap_or_else(|e| {
            panic!("{e} Kernel tests need one: Debian's mesa-vulkan-drivers has a software adapter.")
        });
        say(&format!(
            "kernels: on {} ({}), subgroups from {} lanes, f16 {}",
            gpu.caps.adapter, gpu.caps.adapter.vendor, gpu.caps.subgroup_min, gpu.caps.f16
        ));
        Rig {
            gpu,
            cpu: CpuMemory::default(),
            pool: Vec::new(),
            findings: Findings::default(),
            skipped: BTreeMap::new(),
            exporter: Exporter::from_env(),
        }
    }

    /// Its divisions are right to the last bit, as software's are; WebGPU allows an adapter more.
    pub fn divides_exactly(&self) -> bool {
        self.gpu.caps.is_software
    }

    /// Why the adapter cannot run a variant.
    fn lacks(&self, variant: VariantId) -> Option<&'static str> {
        let shader = variant.get();
        if shader.f16 && !self.gpu.caps.f16 {
            return Some("the adapter has no shader-f16");
        }
        if shader.subgroups && !self.gpu.caps.subgroups {
            return Some("the adapter has no subgroups");
        }
        if shader.dot && !self.gpu.caps.dot {
            return Some("the adapter has no packed integer products");
        }
        if asks_eight_lanes(variant) && self.gpu.caps.subgroup_min < 8 {
            return Some("the adapter has subgroups of fewer than 8 lanes");
        }
        None
    }

    /// Keeps the case for a browser, with what the mirror made of it.
    fn export(&mut self, case: &Case, recording: &Recording) {
        let Some(exporter) = &mut self.exporter else { return };
        if !exporter.wants(case.dispatch.variant) {
            return;
        }
        let buffers = &recording.dispatches[0].buffers;
        let bindings: Vec<Binding> = (case.dispatch.buffers.iter().zip(buffers).enumerate())
            .map(|(binding, (field, id))| {
                let data = &case.fields[field.0];
                let before = data.padded();
                // What is bound twice is looked at once.
                let written = data.compare().is_some() && case.binding(field.0) == binding;
                let after = written.then(|| self.cpu.read(*id)[..before.len()].to_vec());
                Binding { before, after, kind: data.kind() }
            })
            .collect();
        exporter.add(&case.dispatch, &case.what, case.ceiling, &bindings);
    }

    /// The field's buffer on both sides, holding this.
    fn fill(&mut self, field: usize, content: &[u32]) -> BufferId {
        while self.pool.len() <= field {
            self.pool.push((BufferId(usize::MAX), 0));
        }
        if self.pool[field].1 < content.len() {
            let size = content.len().next_power_of_two();
            let id = self.gpu.alloc("case", size as u64 * 4).expect("a buffer");
            assert_eq!(id, self.cpu.alloc("case", size as u64 * 4).expect("a buffer"));
            self.pool[field] = (id, size);
        }
        let id = self.pool[field].0;
        self.gpu.write(id, 0, bytemuck::cast_slice(content));
        self.cpu.write(id, 0, bytemuck::cast_slice(content));
        id
    }

    /// What was found, without the adapter; `name` is that of the exported cases.
    pub fn report(self, name: &str) -> Report {
        if let Some(exporter) = self.exporter {
            exporter.finish(name);
        }
        Report { caps: self.gpu.caps.clone(), findings: self.findings, skipped: self.skipped }
    }
}

impl Runs for Rig {
    /// Runs a case on both sides.
    fn run(&mut self, case: Case) {
        let variant = case.dispatch.variant;
        let ids: Vec<BufferId> =
            case.fields.iter().enumerate().map(|(field, data)| self.fill(field, &data.padded())).collect();
        let buffers = case.dispatch.buffers.iter().map(|field| ids[field.0]).collect();
        let recording = Recording { dispatches: vec![Dispatch { buffers, ..case.dispatch.clone() }] };
        self.cpu.run(&recording);
        self.export(&case, &recording);
        // Exported all the same: a browser's adapter may be able to.
        if let Some(reason) = self.lacks(variant) {
            self.skipped.insert(variant, reason);
            return;
        }
        self.gpu.run(&self.gpu.prepare(&recording));

        for (field, data) in case.fields.iter().enumerate() {
            let Some(compare) = data.compare() else { continue };
            let before = data.padded();
            let bytes = pollster::block_on(self.gpu.read(ids[field], before.len() as u64 * 4))
                .unwrap_or_else(|e| panic!("{case}: {e}"));
            let got: Vec<u32> = bytemuck::pod_collect_to_vec(&bytes);
            let want = &self.cpu.read(ids[field])[..before.len()];
            self.findings.add(variant, &case, field, compare(&before, want, &got));
        }
    }
}

/// Whether activations, or keys, come to a variant's threads from the others of eight.
fn asks_eight_lanes(variant: VariantId) -> bool {
    let x = matmul::Variant::of(variant).map(|variant| variant.x);
    let x = x.or_else(|| matvec_rows::Variant::of(variant).map(|variant| variant.x));
    x.or_else(|| delta_blocks::Variant::of(variant).map(|variant| variant.x)) == Some(X::Octet)
}

/// What ran on one adapter, how exact it was, and what was wrong.
pub struct Report {
    caps: Caps,
    findings: Findings<VariantId>,
    skipped: BTreeMap<VariantId, &'static str>,
}

impl Report {
    /// Adds what another rig ran on the same adapter; no variant may be in both.
    pub fn merge(&mut self, other: Report) {
        assert_eq!(self.caps.adapter.to_string(), other.caps.adapter.to_string());
        let Findings { floors, failures } = &mut self.findings;
        for variant in other.findings.floors.keys() {
            assert!(!floors.contains_key(variant), "{} ran twice", variant.name());
        }
        floors.extend(other.findings.floors);
        failures.extend(other.findings.failures);
        self.skipped.extend(other.skipped);
    }

    /// Prints it; fails on any difference, and on any variant that had no case.
    pub fn finish(mut self) {
        for (variant, reason) in &self.skipped {
            say(&format!("kernels: {} did not run: {reason}", variant.name()));
        }
        let Findings { floors, failures } = &mut self.findings;
        let known: Vec<VariantId> = floors.keys().chain(self.skipped.keys()).copied().collect();
        failures
            .extend(missing(&known).iter().map(|variant| format!("{} has no case here: write one", variant.name())));
        let (ran, all) = (floors.len(), variants().count());
        say(&format!("kernels: {ran} of {all} variants ran on {}", self.caps.adapter));
        // These two are known: a feature that gets lost on the way must not pass as "cannot".
        let name = self.caps.adapter.to_string().to_lowercase();
        if name.contains("llvmpipe") && !self.skipped.is_empty() {
            failures.push("lavapipe has subgroups of 8 and f16: nothing may be left out".into());
        }
        if name.contains("swiftshader") && !self.caps.subgroups {
            failures.push("SwiftShader has subgroups: they may not be left out".into());
        }
        self.findings.finish(|variant| variant.name());
    }
}

fn variants() -> impl Iterator<Item = VariantId> {
    KERNELS.iter().flat_map(Kernel::variants)
}

/// The variants that are not among these.
fn missing(known: &[VariantId]) -> Vec<VariantId> {
    variants().filter(|variant| !known.contains(variant)).collect()
}

#[test]
fn a_variant_without_a_case_is_noticed() {
    let all: Vec<VariantId> = variants().collect();
    assert_eq!(all.len(), VARIANTS.len());
    assert!(missing(&all).is_empty());
    assert_eq!(missing(&all[1..]), [all[0]]);
}

/// To the terminal even where the test passes: which adapter, and what it left out, belongs in every log.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}
