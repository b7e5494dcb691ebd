//! `shaders/sample/*.wgsl` on the CPU. The scan's pieces are some of its workgroups; what follows is one piece. Results
//! are the mirrors' in every bit but for the softcap's tanh, and the last, serial steps are the mirrors themselves.

use std::ops::Range;

use wide::f32x4;

use super::BINS;
use super::reference::{BAD, BANNED, NONE, Options, adjusted, allowed};
use crate::kernels::cpu::{Kernel, Scratch, math};
use crate::kernels::job::{Job, View};
use crate::kernels::table::sample_scan::{Bind, Params, Variant};

pub static SCAN: Kernel = Kernel { pieces: |job| (job.grid[0] as usize).div_ceil(GROUPS), run: scan };

/// Workgroups of a piece, and tokens that a workgroup looks at together.
const GROUPS: usize = 16;
const BLOCK: usize = 64;

fn scan(job: &Job, pieces: Range<usize>, _: &mut Scratch) {
    let (p, b) = (job.params::<Variant>(), job.bind::<Variant>());
    let (n, all) = (p.n_vocab as usize, job.grid[0] as usize);
    let adjusts = job.variant::<Variant>().adjust;
    for piece in pieces {
        if adjusts && piece == 0 {
            b.bins.words_mut(0..3 * BINS).fill(0);
        }
        let groups = piece * GROUPS..((piece + 1) * GROUPS).min(all);
        let mut best = [(BANNED, NONE); GROUPS];
        // The groups take blocks one after the other.
        for first in (0..n.div_ceil(BLOCK)).step_by(all) {
            for (group, best) in groups.clone().zip(&mut best) {
                let from = (first + group) * BLOCK;
                let ids = from.min(n)..(from + BLOCK).min(n);
                let mut values = b.logits.floats(ids.clone());
                let finite = is_finite(values);
                if adjusts {
                    adjust(&b, &p, ids.clone(), finite);
                    values = b.values.floats(ids);
                }
                if !finite {
                    *best = (f32::INFINITY, BAD);
                }
                let largest = largest(values);
                if largest > best.0 {
                    let at = values.iter().position(|&v| v == largest).unwrap_or(0);
                    *best = (largest, (from + at) as u32);
                }
            }
        }
        let ids = best.map(|(_, id)| id);
        b.partials.words_mut(groups.clone()).copy_from_slice(&ids[..groups.len()]);
    }
}

/// Writes the values of some tokens: their logits, changed as the options say.
fn adjust(b: &Bind<View>, p: &Params, ids: Range<usize>, finite: bool) {
    let options: Options = b.options.head();
    let (fours, rest) = b.logits.floats(ids.clone()).as_chunks::<4>();
    let (to, to_rest) = b.values.floats_mut(ids.clone()).as_chunks_mut::<4>();
    let changes = b.adjust.words(2 * ids.start..2 * ids.end);
    let words = b.options.all();
    let one = |id: usize, logit: f32, change: &[u32]| match logit.is_finite() {
        false => 0.0,
        true if allowed(id, p, &options, words) & 1 == 0 => BANNED,
        true => adjusted(logit, p, &options, change),
    };
    for (((id, logits), to), change) in (ids.start..).step_by(4).zip(fours).zip(to).zip(changes.chunks_exact(8)) {
        // All four are in one word.
        let allowed = allowed(id, p, &options, words) & 0b1111;
        if finite && allowed == 0 {
            *to = [BANNED; 4];
        } else if finite && allowed == 0b1111 && (options.adjusts == 0 || *change == [0; 8]) {
            let mut v = f32x4::new(*logits).fast_max(f32x4::splat(-1e30)).fast_min(f32x4::splat(1e30));
            if p.softcap > 0.0 {
                v = f32x4::splat(p.softcap) * (v / f32x4::splat(p.softcap)).tanh();
            }
            *to = v.to_array();
        } else {
            *to = std::array::from_fn(|i| one(id + i, logits[i], &change[2 * i..2 * i + 2]));
        }
    }
    let change = changes[8 * fours.len()..].chunks_exact(2);
    let last = (ids.start + 4 * fours.len()..).zip(rest).zip(to_rest).zip(change);
    last.for_each(|(((id, logit), to), change)| *to = one(id, *logit, change));
}

fn is_finite(values: &[f32]) -> bool {
    let (fours, rest) = values.as_chunks::<4>();
    // Not a number times zero is none, nor is infinity.
    let zeros = fours.iter().fold(f32x4::ZERO, |sum, v| f32x4::new(*v).mul_add(f32x4::ZERO, sum));
    math::sum(zeros) == 0.0 && rest.iter().all(|v| v.is_finite())
}

fn largest(values: &[f32]) -> f32 {
    let (fours, rest) = values.as_chunks::<4>();
    let best = fours.iter().fold(f32x4::splat(f32::NEG_INFINITY), |best, v| best.fast_max(f32x4::new(*v)));
    rest.iter().fold(math::max(best), |best, v| best.max(*v))
}
