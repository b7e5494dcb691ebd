//! How far what a device computed is from what the mirrors make of the same words. No part of an engine that a page loads: pages
//! have it in a module of its own.

use std::ops::Range;

use super::face::{Access, VariantId};
use super::job::{Exactness, Job, Shared};
use super::table::choices::Kv;
use super::table::{KernelId, sample_scan};
use super::trial::{Held, Trial};

/// What a trial came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The largest error of an output: a part of what it should be. 1 is as wrong as nothing at all.
    pub error: f64,
    /// What roundings may come to.
    pub bound: f64,
}

impl Verdict {
    /// Whether the kernel computes something else than it should.
    pub fn is_wrong(&self) -> bool {
        self.error > self.bound
    }
}

/// Runs the mirror and compares all that it wrote.
pub fn judge(trial: &Trial) -> Verdict {
    let mut want: Vec<Vec<u32>> = trial.held.iter().map(|held| held.before.clone()).collect();
    let buffers: Vec<Shared> = want.iter_mut().map(|words| Shared::new(words)).collect();
    let bound: Vec<Shared> = trial.bound.iter().map(|&index| buffers[index]).collect();
    // SAFETY: `want` outlives the job, which alone uses it.
    let job = unsafe { Job::new(trial.variant, &trial.params, trial.grid, &bound, Exactness::default()) };
    let kernel = trial.variant.kernel();
    (kernel.mirror())(&job);
    let mut error: f64 = 0.0;
    for (binding, access) in kernel.bindings.iter().enumerate() {
        let index = trial.bound[binding];
        let Held { before, after: Some(got) } = &trial.held[index] else { continue };
        if *access == Access::Write {
            let words = Words { before, want: &want[index], got, part: trial.part };
            error = error.max(words.compare(compare_of(trial, binding)));
        }
    }
    Verdict { error, bound: bound_of(trial.variant) }
}

/// How a buffer is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Compare {
    Floats,
    Halves,
    /// Blocks of 64 numbers behind two scales.
    Blocks(Kv),
    /// Activations as integers, of so many planes.
    Planes(usize),
    Words,
    /// A count, another word, and then so many words in any order.
    List,
    /// What a rounding before it may change altogether.
    Not,
}

fn compare_of(trial: &Trial, binding: usize) -> Compare {
    match (trial.variant.kernel().id, binding) {
        (KernelId::Quantize, 1) => Compare::Planes(if has(trial.variant, "planes2") { 2 } else { 1 }),
        (KernelId::RopeKv | KernelId::RopeKvRows | KernelId::DecodeAttention, 5 | 6)
        | (KernelId::RopeLatent, 6)
        | (KernelId::RopeShift, _) => cache(trial.variant),
        (KernelId::SampleScan, 4) => {
            let params: sample_scan::Params =
                bytemuck::pod_read_unaligned(&trial.params[..size_of_val(&sample_scan::Params::default())]);
            // By another tanh another token may be the best.
            if params.softcap == 0.0 { Compare::Words } else { Compare::Not }
        }
        (KernelId::SampleScan, 3) => Compare::Floats,
        (KernelId::SampleGather, 4) => Compare::List,
        (
            KernelId::SampleScan
            | KernelId::SampleTake
            | KernelId::SampleBins
            | KernelId::SampleGather
            | KernelId::SamplePick
            | KernelId::Group,
            _,
        ) => Compare::Words,
        _ => Compare::Floats,
    }
}

fn has(variant: VariantId, choice: &str) -> bool {
    variant.name().split('.').any(|one| one == choice)
}

fn cache(variant: VariantId) -> Compare {
    match () {
        _ if has(variant, "f32") => Compare::Floats,
        _ if has(variant, "q8") => Compare::Blocks(Kv::Q8),
        _ if has(variant, "q4") => Compare::Blocks(Kv::Q4),
        _ => Compare::Halves,
    }
}

/// Some times what kernels are tested with: a model's own numbers may nearly cancel each other. A constant that is off by a
/// hundredth is beyond it, but where numbers are rounded to a few bits.
fn bound_of(variant: VariantId) -> f64 {
    let caches = ["rope", "attention"].contains(&variant.kernel().family);
    match () {
        _ if has(variant, "planes1") => 1e-2,
        _ if caches && (has(variant, "q8") || has(variant, "q4")) => 2e-2,
        _ if caches && (has(variant, "f16") || has(variant, "pack16")) => 1e-3,
        _ => 3e-4,
    }
}

struct Words<'a> {
    before: &'a [u32],
    want: &'a [u32],
    got: &'a [u32],
    part: bool,
}

impl Words<'_> {
    fn compare(&self, by: Compare) -> f64 {
        match by {
            Compare::Floats => self.numbers(1, |words, i| f32::from_bits(words[i])),
            Compare::Halves => {
                self.numbers(2, |words, i| half::f16::from_bits((words[i / 2] >> (16 * (i % 2))) as u16).to_f32())
            }
            Compare::Blocks(kv) => self.blocks(kv),
            Compare::Planes(planes) => self.planes(planes),
            Compare::Words => self.words(),
            Compare::List => self.list(),
            Compare::Not => 0.0,
        }
    }

    /// Whether these words say nothing: the mirror left them, and so did the kernel, or it may have done what is not here.
    fn says_nothing(&self, at: Range<usize>) -> bool {
        let before = &self.before[at.clone()];
        self.want[at.clone()] == *before && (self.part || self.got[at] == *before)
    }

    /// Numbers, so many of a word; `value` reads one of them.
    fn numbers(&self, each: usize, value: impl Fn(&[u32], usize) -> f32) -> f64 {
        let mut sums = Sums::default();
        for at in (0..self.want.len()).filter(|&at| !self.says_nothing(at..at + 1)) {
            (each * at..each * (at + 1)).for_each(|i| sums.add(value(self.want, i), value(self.got, i)));
        }
        sums.error()
    }

    /// Runs of so many words that are written together.
    fn runs(&self, size: usize, values: impl Fn(&[u32], &mut Vec<f32>)) -> f64 {
        let mut sums = Sums::default();
        let (mut want, mut got) = (Vec::new(), Vec::new());
        for at in (0..self.want.len() / size * size).step_by(size) {
            let all = at..at + size;
            if self.says_nothing(all.clone()) {
                continue;
            }
            values(&self.want[all.clone()], &mut want);
            values(&self.got[all], &mut got);
            want.drain(..).zip(got.drain(..)).for_each(|(want, got)| sums.add(want, got));
        }
        sums.error()
    }

    fn planes(&self, planes: usize) -> f64 {
        self.runs(4 + 8 * planes, |record, to| {
            let scale = f32::from_bits(record[0]);
            let byte = |plane: usize, i: usize| f32::from((record[4 + 8 * plane + i / 4] >> (8 * (i % 4))) as i8);
            to.extend(record[1..4].iter().map(|&word| f32::from_bits(word)));
            to.extend((0..32).map(|i| scale * if planes == 2 { 128.0 * byte(0, i) + byte(1, i) } else { byte(0, i) }));
        })
    }

    /// Heads are whole numbers of these, or another comparison finds what is wrong: attention reads them.
    fn blocks(&self, kv: Kv) -> f64 {
        let fours = if kv == Kv::Q4 { 2 } else { 1 };
        self.runs(1 + 16 / fours, |pair, to| {
            to.extend((0..64).map(|i| {
                let scale = half::f16::from_bits((pair[0] >> (16 * (i / 32))) as u16).to_f32();
                let byte = pair[1 + i / (4 * fours)].to_le_bytes()[i % 4];
                match kv {
                    Kv::Q4 => (8.0 - f32::from(byte >> (4 * (i / 4 % 2)) & 15)) * scale / 8.0,
                    _ => f32::from(byte as i8) * scale / 127.0,
                }
            }));
        })
    }

    /// The part of what was written that is not as it should be.
    fn words(&self) -> f64 {
        let pairs = self.before.iter().zip(self.want).zip(self.got);
        let written: Vec<bool> = pairs
            .filter(|((before, want), got)| want != before || got != before)
            .map(|((_, want), got)| want == got)
            .collect();
        let wrong = written.iter().filter(|&&right| !right).count();
        wrong as f64 / written.len().max(1) as f64
    }

    fn list(&self) -> f64 {
        let end = |words: &[u32]| 2 + (words[0] as usize).min(words.len() - 2);
        if self.want.len() < 2 || end(self.want) != end(self.got) {
            return 1.0;
        }
        let sorted = |words: &[u32]| {
            let mut list = words[2..end(words)].to_vec();
            list.sort_unstable();
            list
        };
        if sorted(self.want) == sorted(self.got) { 0.0 } else { 1.0 }
    }
}

#[derive(Default)]
struct Sums {
    wrong: f64,
    all: f64,
}

impl Sums {
    fn add(&mut self, want: f32, got: f32) {
        let (want, got) = (f64::from(want), f64::from(got));
        // What is no number here is the data's doing.
        if !want.is_finite() {
            return;
        }
        self.all += want * want;
        self.wrong += if got.is_finite() { (want - got).powi(2) } else { want * want + f64::MIN_POSITIVE };
    }

    /// At most 1: what is more is as wrong as it gets.
    fn error(&self) -> f64 {
        match self.wrong > 0.0 {
            false => 0.0,
            true if self.all > 0.0 => (self.wrong / self.all).sqrt().min(1.0),
            true => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::face::Face;
    use crate::kernels::table::choices::Reduce;
    use crate::kernels::table::rmsnorm;

    /// Of (3, 4, 0, 12), whose root of the mean of squares is 6.5; weights are 1, and behind the row is a word that is none's.
    fn of(got: [f32; 5], part: bool) -> Verdict {
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
        let held = |before: &[f32], after: Option<&[f32]>| Held { before: bits(before), after: after.map(bits) };
        let params = rmsnorm::Params { k4: 1, eps: 0.0, gather: 0, accumulate: 0 };
        judge(&Trial {
            variant: rmsnorm::Variant { reduce: Reduce::Tree }.id(),
            params: bytemuck::bytes_of(&params).to_vec(),
            grid: [1, 1, 1],
            bound: rmsnorm::Variant::VIEWS.to_vec(),
            held: vec![
                held(&[3.0, 4.0, 0.0, 12.0], None),
                held(&[1.0; 4], None),
                held(&[0.0; 4], None),
                held(&[7.0; 5], Some(&got)),
            ],
            part,
        })
    }

    #[test]
    fn what_is_wrong_is_told_from_roundings() {
        let right = [6.0, 8.0, 0.0, 24.0].map(|value: f32| value / 13.0);
        let [a, b, c, d] = right;
        assert!(!of([a, b, c, d, 7.0], false).is_wrong());
        assert!(!of([a * (1.0 + 1e-6), b, c, d, 7.0], false).is_wrong());
        let verdict = of([1.01 * a, 1.01 * b, c, 1.01 * d, 7.0], false);
        assert!(verdict.is_wrong() && (verdict.error - 0.01).abs() < 1e-4, "{verdict:?}");
        let lost = of([a, f32::NAN, c, d, 7.0], false);
        assert!(lost.is_wrong() && lost.error < 1.0, "{lost:?}");
        assert!(of([7.0; 5], false).is_wrong());
        // What is not the kernel's is kept, unless more was computed than is here.
        assert!(of([a, b, c, d, 1.0], false).is_wrong());
        assert!(!of([a, b, c, d, 1.0], true).is_wrong());
    }
}
