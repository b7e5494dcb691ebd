//! Runs dispatches on this machine's adapter and on the CPU mirrors, from the same bytes, and compares all they wrote.
//!
//! The adapter is whatever Vulkan or Metal offers; `VK_DRIVER_FILES` picks one of several.

use std::collections::BTreeMap;
use std::io::Write;

use crate::compare::TAIL;
pub use crate::compare::{Case, Data, POISON, floats};
use crate::export::{Binding, Exporter};

use sotto::base::buffer::BufferId;
use sotto::device::gpu::{Gpu, GpuOptions};
use sotto::device::memory::Memory;
use sotto::device::recording::Recording;
use sotto::device::reference::CpuMemory;
use sotto::kernels::choose::Caps;
use sotto::kernels::{Access, VARIANTS, Variant};

/// The largest error of a variant, and the case that made it.
struct Floor {
    cases: usize,
    error: f64,
    ceiling: f64,
    what: String,
}

pub struct Rig {
    gpu: Gpu,
    cpu: CpuMemory,
    /// Per binding, a buffer that is the same number on both sides, and its words.
    pool: Vec<(BufferId, usize)>,
    floors: BTreeMap<&'static str, Floor>,
    skipped: BTreeMap<&'static str, &'static str>,
    failures: Vec<String>,
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
            floors: BTreeMap::new(),
            skipped: BTreeMap::new(),
            failures: Vec::new(),
            exporter: Exporter::from_env(),
        }
    }

    /// Its divisions are right to the last bit, as software's are; WebGPU allows an adapter more.
    pub fn divides_exactly(&self) -> bool {
        self.gpu.caps.is_software
    }

    /// Why the adapter cannot run a variant.
    fn lacks(&self, variant: &Variant) -> Option<&'static str> {
        if variant.f16 && !self.gpu.caps.f16 {
            return Some("the adapter has no shader-f16");
        }
        if variant.subgroups && !self.gpu.caps.subgroups {
            return Some("the adapter has no subgroups");
        }
        if variant.dot && !self.gpu.caps.dot {
            return Some("the adapter has no packed integer products");
        }
        if variant.name.ends_with(".octet") && self.gpu.caps.subgroup_min < 8 {
            return Some("the adapter has subgroups of fewer than 8 lanes");
        }
        None
    }

    /// Runs a case on both sides. A difference is kept for the report, so that one run tells of all.
    pub fn run<P: bytemuck::Pod>(&mut self, case: Case<P>) {
        let (kernel, id) =
            sotto::kernels::find(&case.variant).unwrap_or_else(|| panic!("there is no variant '{}'", case.variant));
        let variant = id.get();
        let mut buffers: Vec<BufferId> = Vec::new();
        for (binding, data) in case.buffers.iter().enumerate() {
            let id = match data.content() {
                Some((words, _)) => self.fill(binding, words),
                None => *buffers.last().expect("a binding before"),
            };
            buffers.push(id);
        }
        let mut recording = Recording::default();
        recording.push(variant.name, case.params, &buffers, case.grid).expect("a well-formed case");
        self.cpu.run(&recording);
        self.export(&case, variant, &buffers);
        // Exported all the same: a browser's adapter may be able to.
        if let Some(reason) = self.lacks(variant) {
            self.skipped.insert(variant.name, reason);
            return;
        }
        self.gpu.run(&self.gpu.prepare(&recording));

        for (binding, data) in case.buffers.iter().enumerate() {
            let Some((words, Some(compare))) = data.content() else { continue };
            assert_eq!(kernel.bindings[binding], Access::Write);
            let mut before = words.to_vec();
            before.resize(words.len() + TAIL, POISON);
            let bytes = pollster::block_on(self.gpu.read(buffers[binding], before.len() as u64 * 4))
                .unwrap_or_else(|e| panic!("{} ({}): {e}", case.variant, case.what));
            let got: Vec<u32> = bytemuck::pod_collect_to_vec(&bytes);
            let want = &self.cpu.read(buffers[binding])[..before.len()];
            let floor = self.floors.entry(variant.name).or_insert(Floor {
                cases: 0,
                error: -1.0,
                ceiling: case.ceiling,
                what: String::new(),
            });
            floor.cases += 1;
            match compare(&before, want, &got) {
                Ok(error) => {
                    if error > floor.error {
                        (floor.error, floor.what) = (error, case.what.clone());
                    }
                    if error > case.ceiling {
                        self.failures.push(format!(
                            "{} ({}), binding {binding}: error {error:.2e} is over {:.0e}",
                            case.variant, case.what, case.ceiling
                        ));
                    }
                }
                Err(message) => {
                    self.failures.push(format!("{} ({}), binding {binding}: {message}", case.variant, case.what))
                }
            }
        }
    }

    /// Keeps the case for a browser, with what the mirror made of it.
    fn export<P: bytemuck::Pod>(&mut self, case: &Case<P>, variant: &'static Variant, buffers: &[BufferId]) {
        let Some(exporter) = &mut self.exporter else { return };
        if !exporter.wants(variant) {
            return;
        }
        let mut bindings: Vec<Binding> = Vec::new();
        for (data, id) in case.buffers.iter().zip(buffers) {
            let padded = |words: &[u32]| [words, &[POISON; TAIL]].concat();
            let after = |words: &[u32]| Some(self.cpu.read(*id)[..words.len() + TAIL].to_vec());
            bindings.push(match data.content() {
                Some((words, compare)) => {
                    Binding { before: padded(words), after: compare.and_then(|_| after(words)), kind: data.kind() }
                }
                None => {
                    let before = bindings.last().expect("a binding before").before.clone();
                    Binding { before, after: None, kind: data.kind() }
                }
            });
        }
        let params = bytemuck::bytes_of(&case.params);
        exporter.add(variant, &case.what, params, case.grid, case.ceiling, &bindings);
    }

    /// The binding's buffer on both sides, holding `words` and then poison.
    fn fill(&mut self, binding: usize, words: &[u32]) -> BufferId {
        let mut content = words.to_vec();
        content.resize(words.len() + TAIL, POISON);
        while self.pool.len() <= binding {
            self.pool.push((BufferId(usize::MAX), 0));
        }
        if self.pool[binding].1 < content.len() {
            let size = content.len().next_power_of_two();
            let id = self.gpu.alloc("case", size as u64 * 4).expect("a buffer");
            assert_eq!(id, self.cpu.alloc("case", size as u64 * 4).expect("a buffer"));
            self.pool[binding] = (id, size);
        }
        let id = self.pool[binding].0;
        self.gpu.write(id, 0, bytemuck::cast_slice(&content));
        self.cpu.write(id, 0, bytemuck::cast_slice(&content));
        id
    }

    /// What was found, without the adapter; `name` is that of the exported cases.
    pub fn report(self, name: &str) -> Report {
        if let Some(exporter) = self.exporter {
            exporter.finish(name);
        }
        Report { caps: self.gpu.caps.clone(), floors: self.floors, skipped: self.skipped, failures: self.failures }
    }
}

/// What ran on one adapter, how exact it was, and what was wrong.
pub struct Report {
    caps: Caps,
    floors: BTreeMap<&'static str, Floor>,
    skipped: BTreeMap<&'static str, &'static str>,
    failures: Vec<String>,
}

impl Report {
    /// Adds what another rig ran on the same adapter; no variant may be in both.
    pub fn merge(&mut self, other: Report) {
        assert_eq!(self.caps.adapter.to_string(), other.caps.adapter.to_string());
        for name in other.floors.keys() {
            assert!(!self.floors.contains_key(name), "{name} ran twice");
        }
        self.floors.extend(other.floors);
        self.skipped.extend(other.skipped);
        self.failures.extend(other.failures);
    }

    /// Prints it; fails on any difference, and on any variant that had no case.
    pub fn finish(mut self) {
        println!("error    ceiling  cases  variant (worst case)");
        for (name, f) in &self.floors {
            println!("{:8.1e} {:8.0e} {:6}  {name} ({})", f.error, f.ceiling, f.cases, f.what);
        }
        for (name, reason) in &self.skipped {
            say(&format!("kernels: {name} did not run: {reason}"));
        }
        let known: Vec<&str> = self.floors.keys().chain(self.skipped.keys()).copied().collect();
        let missing = missing(&known);
        self.failures.extend(missing.iter().map(|name| format!("{name} has no case here: write one")));
        say(&format!("kernels: {} of {} variants ran on {}", self.floors.len(), VARIANTS.len(), self.caps.adapter));
        // These two are known: a feature that gets lost on the way must not pass as "cannot".
        let name = self.caps.adapter.to_string().to_lowercase();
        if name.contains("llvmpipe") && !self.skipped.is_empty() {
            self.failures.push("lavapipe has subgroups of 8 and f16: nothing may be left out".into());
        }
        if name.contains("swiftshader") && !self.caps.subgroups {
            self.failures.push("SwiftShader has subgroups: they may not be left out".into());
        }
        let shown = self.failures.len().min(40);
        assert!(self.failures.is_empty(), "{} failures:\n{}", self.failures.len(), self.failures[..shown].join("\n"));
    }
}

/// The variants that are not among these.
fn missing(known: &[&str]) -> Vec<&'static str> {
    VARIANTS.iter().map(|variant| variant.name).filter(|name| !known.contains(name)).collect()
}

#[test]
fn a_variant_without_a_case_is_noticed() {
    let all: Vec<&str> = VARIANTS.iter().map(|variant| variant.name).collect();
    assert!(missing(&all).is_empty());
    assert_eq!(missing(&all[1..]), [all[0]]);
}

/// To the terminal even where the test passes: which adapter, and what it left out, belongs in every log.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
