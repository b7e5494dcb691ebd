//! Runs dispatches on the CPU backend's kernels and on the mirrors, from the same bytes, and compares all they wrote.

use std::collections::BTreeMap;

use sotto::kernels::cpu::{Job, Scratch, Shared};
use sotto::kernels::reference;
use sotto::kernels::{self, Access, Kernel};

use crate::compare::TAIL;
pub use crate::compare::{Case, Data, POISON, floats};

#[derive(Default)]
pub struct Rig {
    /// Per kernel: cases, the largest error, and where.
    floors: BTreeMap<&'static str, (usize, f64, String)>,
    failures: Vec<String>,
    scratch: Scratch,
}

impl Rig {
    /// Runs cases; fails on any difference, and where one of these kernels had none.
    pub fn check(kernels: &[&str], cases: impl FnOnce(&mut Rig)) {
        let mut rig = Rig::default();
        cases(&mut rig);
        for (name, (cases, error, what)) in &rig.floors {
            println!("{error:8.1e} {cases:6}  {name} ({what})");
        }
        for name in kernels {
            assert!(rig.floors.contains_key(name), "{name} has no case");
        }
        let failures = &rig.failures;
        assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures[..failures.len().min(30)].join("\n"));
    }

    pub fn run<P: bytemuck::Pod>(&mut self, case: Case<P>) {
        let Some((kernel, _)) = on_cpu(&case.variant) else { return };
        let mut before: Vec<Vec<u32>> = Vec::new();
        for data in &case.buffers {
            let (words, _) = data.content().expect("no buffer twice");
            before.push([words, &[POISON; TAIL]].concat());
        }
        let (params, grid) = (bytemuck::bytes_of(&case.params), [case.grid[0], case.grid[1], 1]);

        let mut want = before.clone();
        let (mut read, mut write) = (Vec::new(), Vec::new());
        for (words, access) in want.iter_mut().zip(kernel.bindings) {
            match access {
                Access::Read => read.push(words.as_slice()),
                Access::Write => write.push(words.as_mut_slice()),
            }
        }
        (kernel.mirror)(reference::Args { variant: &case.variant, params, grid, read, write });

        let got = after(&case.variant, params, grid, &before, |simd, job, pieces| {
            (simd.run)(job, 0..pieces, &mut self.scratch);
        });
        let cut_up = after(&case.variant, params, grid, &before, |simd, job, pieces| {
            (0..pieces).rev().for_each(|i| (simd.run)(job, i..i + 1, &mut Scratch::default()));
        });
        let name = format!("{} ({})", case.variant, case.what);
        if got != cut_up {
            self.failures.push(format!("{name}: depends on how it is cut up"));
        }
        let floor = self.floors.entry(kernel.name).or_default();
        for (binding, data) in case.buffers.iter().enumerate() {
            let Some((_, Some(compare))) = data.content() else {
                assert_eq!(got[binding], before[binding], "{name} wrote binding {binding}");
                continue;
            };
            floor.0 += 1;
            match compare(&before[binding], &want[binding], &got[binding]) {
                Ok(error) => {
                    if error >= floor.1 {
                        (floor.1, floor.2) = (error, case.what.clone());
                    }
                    if error > case.ceiling {
                        let ceiling = case.ceiling;
                        self.failures.push(format!("{name}, binding {binding}: {error:.2e} is over {ceiling:.0e}"));
                    }
                }
                Err(message) => self.failures.push(format!("{name}, binding {binding}: {message}")),
            }
        }
    }
}

/// The buffers after a dispatch on the CPU backend; `go` runs its pieces.
pub fn after(
    variant: &str,
    params: &[u8],
    grid: [u32; 3],
    before: &[Vec<u32>],
    go: impl FnOnce(&sotto::kernels::cpu::Kernel, &Job, usize),
) -> Vec<Vec<u32>> {
    let mut after = before.to_vec();
    let shared: Vec<Shared> = after.iter_mut().map(|words| Shared::new(words)).collect();
    // The buffers outlive it, and this thread alone uses them.
    let job = unsafe { Job::new(variant, params, grid, &shared, true) };
    let (_, simd) = on_cpu(variant).expect("a kernel for the CPU");
    go(simd, &job, (simd.pieces)(&job));
    after
}

/// The kernel that stands for a variant here, once for each that does the same work.
fn on_cpu(variant: &str) -> Option<(&'static Kernel, &'static sotto::kernels::cpu::Kernel)> {
    if [".f16", ".subgroup", ".quad"].iter().any(|choice| variant.contains(choice)) {
        return None;
    }
    let name = match variant.split('.').next()? {
        // The prompts that only tiles are tested with.
        "attention_tile" => "attention",
        name => name,
    };
    let kernel = kernels::KERNELS.iter().find(|kernel| kernel.name == name)?;
    Some((kernel, kernel.simd?))
}
