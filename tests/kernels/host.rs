//! Runs dispatches on this machine's processor: on the mirrors and on the CPU backend's kernels, from the same bytes,
//! and compares all they wrote.

use sotto::device::recording::Dispatch;
use sotto::kernels::cpu::{self, Scratch};
use sotto::kernels::face::{Face, VariantId};
use sotto::kernels::job::{Exactness, Job, Shared};
use sotto::kernels::table::choices::{Lanes, Qh};
use sotto::kernels::table::{KERNELS, KernelId, attention, attention_tile};

use crate::case::{self, Case, Data, Runs, named};
use crate::findings::Findings;

/// Runs one dispatch on its mirror, and gives every buffer afterwards, by name.
pub fn mirror<V: Face>(variant: V, params: V::Params, bind: V::Bind<&[u32]>, grid: [u32; 2]) -> V::Bind<Vec<u32>> {
    let dispatch = case::dispatch(variant, params, grid);
    named::<V, _>(&after(&dispatch, &owned::<V>(bind), Exactness::default(), dispatch.kernel().mirror()))
}

/// The same on the CPU backend.
pub fn simd<V: Face>(variant: V, params: V::Params, bind: V::Bind<&[u32]>, grid: [u32; 2]) -> V::Bind<Vec<u32>> {
    let dispatch = case::dispatch(variant, params, grid);
    let kernel = dispatch.kernel().simd.expect("a kernel for the CPU");
    named::<V, _>(&after(&dispatch, &owned::<V>(bind), Exactness::default(), |job| {
        whole(kernel, job, &mut Scratch::default());
    }))
}

fn owned<V: Face>(bind: V::Bind<&[u32]>) -> Vec<Vec<u32>> {
    V::list(bind).into_iter().map(<[u32]>::to_vec).collect()
}

/// What the fields hold after a dispatch; `go` does its work.
fn after(dispatch: &Dispatch, fields: &[Vec<u32>], exactness: Exactness, go: impl FnOnce(&Job)) -> Vec<Vec<u32>> {
    let mut after = fields.to_vec();
    let shared: Vec<Shared> = after.iter_mut().map(|words| Shared::new(words)).collect();
    let bound: Vec<Shared> = dispatch.buffers.iter().map(|id| shared[id.0]).collect();
    // SAFETY: the buffers outlive the job, and this thread alone uses them.
    let job = unsafe { Job::new(dispatch.variant, &dispatch.params, dispatch.grid, &bound, exactness) };
    go(&job);
    after
}

/// Does all pieces in one go.
fn whole(kernel: &cpu::Kernel, job: &Job, scratch: &mut Scratch) {
    (kernel.run)(job, 0..(kernel.pieces)(job), scratch);
}

/// Does them one by one, from the last.
fn cut_up(kernel: &cpu::Kernel, job: &Job) {
    (0..(kernel.pieces)(job)).rev().for_each(|piece| (kernel.run)(job, piece..piece + 1, &mut Scratch::default()));
}

#[derive(Default)]
pub struct Rig {
    findings: Findings<KernelId>,
    scratch: Scratch,
}

impl Rig {
    /// Runs cases; fails on any difference, and where one of these families' kernels for the CPU had none.
    pub fn check(families: &[&str], cases: impl FnOnce(&mut Rig)) {
        let mut rig = Rig::default();
        cases(&mut rig);
        let kernels = || KERNELS.iter().filter(|kernel| kernel.simd.is_some() && families.contains(&kernel.family));
        assert!(kernels().count() > 0, "no kernel of {families:?} runs on the CPU");
        for kernel in kernels().filter(|kernel| !rig.findings.floors.contains_key(&kernel.id)) {
            rig.findings.failures.push(format!("{} has no case", kernel.name));
        }
        rig.findings.finish(|id| KERNELS[*id as usize].name);
    }

    /// Runs a case on the mirror, and the same on the CPU backend, where weights may be in another arrangement. That may
    /// round as `exactness` allows.
    pub fn compare(&mut self, case: &Case, arranged: &Case, exactness: Exactness) {
        let each = |case: &Case, words: fn(&Data) -> Vec<u32>| case.fields.iter().map(words).collect::<Vec<_>>();
        let dispatch = &case.dispatch;
        let kernel = dispatch.kernel().simd.expect("a kernel for the CPU");
        let want = after(dispatch, &each(case, Data::padded), exactness, dispatch.kernel().mirror());
        let before = each(arranged, Data::padded);
        let got = after(dispatch, &before, exactness, |job| whole(kernel, job, &mut self.scratch));
        // Once with poison past the end of each buffer, which must stay, and once with nothing, which must be enough.
        let cut_up =
            after(dispatch, &each(arranged, |data| data.words().to_vec()), exactness, |job| cut_up(kernel, job));
        if got.iter().zip(&cut_up).any(|(got, cut_up)| got[..cut_up.len()] != **cut_up) {
            self.findings.failures.push(format!("{case}: depends on how it is cut up"));
        }
        for (field, data) in case.fields.iter().enumerate() {
            let Some(compare) = data.compare() else {
                assert_eq!(got[field], before[field], "{case} wrote field {field}");
                continue;
            };
            let compared = compare(&before[field], &want[field], &got[field]);
            self.findings.add(dispatch.kernel().id, case, field, compared);
        }
    }
}

impl Runs for Rig {
    fn run(&mut self, case: Case) {
        let Some(variant) = on_cpu(case.dispatch.variant) else { return };
        let case = Case { dispatch: Dispatch { variant, ..case.dispatch }, ..case };
        self.compare(&case, &case, Exactness::default());
    }
}

/// The variant that stands for one here, where it is not the same work as another's.
fn on_cpu(variant: VariantId) -> Option<VariantId> {
    // The prompts that only tiles are tested with.
    let variant = attention_tile::Variant::of(variant)
        .map_or(variant, |tile| attention::Variant { lanes: Lanes::Tree, kv: tile.kv, qh: Qh::N1 }.id());
    let shader = variant.get();
    (variant.kernel().simd.is_some() && !shader.subgroups && !shader.f16).then_some(variant)
}
