//! Runs dispatches on this machine's adapter and on the CPU mirrors, from the same bytes, and compares all they wrote.
//!
//! The adapter is whatever Vulkan or Metal offers; `VK_DRIVER_FILES` picks one of several.

use std::collections::BTreeMap;
use std::io::Write;

use crate::export::{Binding, Exporter};

use sotto::cpu::CpuMemory;
use sotto::gpu::{Caps, Gpu, GpuOptions};
use sotto::kernels::{Access, VARIANTS, Variant};
use sotto::memory::{BufferId, Memory};
use sotto::recording::Recording;

/// What every output holds before a run, and every buffer past its end: NaN as f32, and as two f16.
pub const POISON: u32 = 0x7fc1_7e01;
/// Poison words past the end of each buffer.
const TAIL: usize = 256;

/// One storage binding of a case.
pub enum Data {
    /// Read only.
    In(Vec<u32>),
    /// The buffer of the binding before, bound once more.
    Again,
    /// Written or updated, f32.
    Out(Vec<u32>),
    /// Written, pairs of f16.
    OutF16(Vec<u32>),
    /// Written, integers: every word must be the mirror's.
    OutWords(Vec<u32>),
    /// Written, integers: a count, another word, and then so many words in any order.
    OutList(Vec<u32>),
}

impl Data {
    /// What the buffer holds before, and how to compare it afterwards if it is written.
    fn content(&self) -> Option<(&[u32], Option<Compare>)> {
        match self {
            Data::Again => None,
            Data::In(words) => Some((words, None)),
            Data::Out(words) => Some((words, Some(compare_f32))),
            Data::OutF16(words) => Some((words, Some(compare_f16))),
            Data::OutWords(words) => Some((words, Some(compare_words))),
            Data::OutList(words) => Some((words, Some(compare_list))),
        }
    }

    /// The name that exported cases give to the comparison.
    fn kind(&self) -> &'static str {
        match self {
            Data::In(_) | Data::Again | Data::Out(_) => "f32",
            Data::OutF16(_) => "f16",
            Data::OutWords(_) => "words",
            Data::OutList(_) => "list",
        }
    }
}

pub fn floats(values: &[f32]) -> Vec<u32> {
    bytemuck::cast_slice(values).to_vec()
}

/// One dispatch, in the terms of `Recording::push`.
pub struct Case<P> {
    pub variant: String,
    /// What is special here, for the report.
    pub what: String,
    pub params: P,
    pub buffers: Vec<Data>,
    pub grid: [u32; 2],
    /// Largest normalised mean-square error allowed in each output.
    pub ceiling: f64,
}

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

    /// Why the adapter cannot run a variant.
    fn lacks(&self, variant: &Variant) -> Option<&'static str> {
        if variant.f16 && !self.gpu.caps.f16 {
            return Some("the adapter has no shader-f16");
        }
        if variant.subgroups && !self.gpu.caps.subgroups {
            return Some("the adapter has no subgroups");
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

/// Buffer before the run, the mirror's and the GPU's after it → normalised mean-square error, or what is wrong.
type Compare = fn(&[u32], &[u32], &[u32]) -> Result<f64, String>;

pub fn compare_f32(before: &[u32], want: &[u32], got: &[u32]) -> Result<f64, String> {
    let rows = before.iter().zip(want).zip(got);
    compare(rows.map(|((&b, &w), &g)| Element {
        untouched: b == POISON && w == POISON,
        kept: g == b,
        want: f32::from_bits(w),
        got: f32::from_bits(g),
    }))
}

pub fn compare_f16(before: &[u32], want: &[u32], got: &[u32]) -> Result<f64, String> {
    let rows = before.iter().zip(want).zip(got);
    compare(rows.flat_map(|((&b, &w), &g)| {
        [0, 16].map(|shift| {
            let half = |word: u32| half::f16::from_bits((word >> shift) as u16).to_f32();
            Element { untouched: b == POISON && w == POISON, kept: g == b, want: half(w), got: half(g) }
        })
    }))
}

pub fn compare_words(_: &[u32], want: &[u32], got: &[u32]) -> Result<f64, String> {
    match want.iter().zip(got).position(|(w, g)| w != g) {
        Some(i) => Err(format!("word {i} is {:#x}, not {:#x}", got[i], want[i])),
        None => Ok(0.0),
    }
}

pub fn compare_list(before: &[u32], want: &[u32], got: &[u32]) -> Result<f64, String> {
    let end = 2 + want[0] as usize;
    let sorted = |words: &[u32]| {
        let mut sorted = words.to_vec();
        sorted[2..end].sort_unstable();
        sorted
    };
    compare_words(before, &sorted(want), &sorted(got))
}

struct Element {
    /// The mirror left poison here.
    untouched: bool,
    /// The GPU left the word as it was.
    kept: bool,
    want: f32,
    got: f32,
}

fn compare(elements: impl Iterator<Item = Element>) -> Result<f64, String> {
    let (mut error, mut norm) = (0.0, 0.0);
    for (i, e) in elements.enumerate() {
        if e.untouched {
            if !e.kept {
                return Err(format!("element {i} was written ({}), but is not the kernel's", e.got));
            }
            continue;
        }
        if !e.want.is_finite() {
            return Err(format!("element {i} is {} on the mirror", e.want));
        }
        if !e.got.is_finite() {
            return Err(format!("element {i} is {}, not {}", e.got, e.want));
        }
        error += (e.got as f64 - e.want as f64).powi(2);
        norm += (e.want as f64).powi(2);
    }
    Ok(if error == 0.0 { 0.0 } else { error / norm })
}

#[test]
fn the_comparison_sees_what_it_must() {
    let p = POISON;
    let f = |v: f32| v.to_bits();
    let good = compare_f32(&[p, p, p], &[f(3.0), f(4.0), p], &[f(3.0), f(4.0), p]);
    assert_eq!(good, Ok(0.0));
    let near = compare_f32(&[p, p], &[f(3.0), f(4.0)], &[f(3.0), f(4.5)]).unwrap();
    assert!((near - 0.25 / 25.0).abs() < 1e-12);
    let missing = compare_f32(&[p, p], &[f(3.0), f(4.0)], &[f(3.0), p]).unwrap_err();
    assert!(missing.contains("element 1 is NaN"), "{missing}");
    let beyond = compare_f32(&[p, p], &[f(3.0), p], &[f(3.0), f(3.0)]).unwrap_err();
    assert!(beyond.contains("element 1 was written"), "{beyond}");
    // A pair of f16 written where poison was to stay, and one that was to be written.
    assert!(compare_f16(&[p], &[p], &[0]).is_err());
    assert!(compare_f16(&[p], &[0x3c00_3c00], &[p]).is_err());
    assert_eq!(compare_f16(&[p], &[0x3c00_3c00], &[0x3c00_3c00]), Ok(0.0));
    // Lists: in any order, but all of it, and nothing behind.
    assert_eq!(compare_list(&[p; 5], &[2, 9, 4, 5, p], &[2, 9, 5, 4, p]), Ok(0.0));
    assert!(compare_list(&[p; 5], &[2, 9, 4, 5, p], &[2, 9, 5, 5, p]).is_err());
    assert!(compare_list(&[p; 5], &[2, 9, 4, 5, p], &[2, 9, 4, 5, 6]).is_err());
    assert!(compare_list(&[p; 5], &[2, 9, 4, 5, p], &[1, 9, 4, 5, p]).is_err());
}
