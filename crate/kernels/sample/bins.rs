//! `shaders/sample/sample_bins.wgsl` on the CPU.

use std::ops::Range;

use bytemuck::cast;
use wide::{f32x4, i32x4, u32x4};

use super::reference::{BANNED, Options, best_of_partials, bin_of, join, mass_of, split};
use super::{BINS, LIST_WORDS};
use crate::kernels::cpu::{Kernel, Scratch};
use crate::kernels::job::Job;
use crate::kernels::table::sample_bins::Variant;

pub static KERNEL: Kernel = Kernel { pieces: |_| 1, run };

const COUNT: usize = BINS;
/// The bits of a distance, without those of its mantissa that do not tell bins apart, start here.
const FIRST: i32 = 7744;

fn run(job: &Job, _: Range<usize>, _: &mut Scratch) {
    let (p, b) = (job.params::<Variant>(), job.bind::<Variant>());
    let n = p.n_vocab as usize;
    let values = b.values.floats(0..n);
    let options: Options = b.options.head();
    let best = best_of_partials(values, b.partials.all(), &p);
    b.list.words_mut(0..LIST_WORDS).copy_from_slice(&[0, best]);
    if options.top_k == 0 && options.top_p >= 1.0 {
        return;
    }
    let best = values[best.min(p.n_vocab - 1) as usize];
    let words = b.bins.words_mut(0..3 * COUNT);
    let mut bins = [(0u64, 0u32); COUNT];
    for (b, bin) in bins.iter_mut().enumerate() {
        *bin = (join(words[COUNT + b], words[2 * COUNT + b]), words[b]);
    }
    let mut add = |b: usize, mass: u64| {
        let bin = &mut bins[b % COUNT];
        *bin = (bin.0 + mass, bin.1 + 1);
    };
    let (fours, rest) = values.as_chunks::<4>();
    for v in fours {
        let v = f32x4::new(*v);
        let candidates = v.simd_gt(f32x4::splat(BANNED)).to_bitmask();
        let distance = f32x4::splat(best) - v;
        let (b, (mass, shift)) = (bins_of(distance).to_array(), masses_of(distance));
        let (mass, shift) = (mass.to_array(), shift.to_array());
        for i in 0..4 {
            if candidates == 0b1111 || candidates >> i & 1 == 1 {
                add(b[i] as usize, u64::from(mass[i] >> (shift[i] & 31)));
            }
        }
    }
    for v in rest.iter().filter(|v| **v > BANNED) {
        add(bin_of(best - v), mass_of(best - v));
    }
    for (b, (mass, count)) in bins.into_iter().enumerate() {
        words[b] = count;
        [words[COUNT + b], words[2 * COUNT + b]] = split(mass);
    }
}

/// As `bin_of`.
#[inline(always)]
fn bins_of(distance: f32x4) -> i32x4 {
    let bits: i32x4 = cast(cast::<_, u32x4>(distance) >> 17u32);
    bits.max(i32x4::splat(FIRST)).min(i32x4::splat(FIRST + COUNT as i32 - 1)) - i32x4::splat(FIRST)
}

/// As `mass_of`, each still to be shifted to the right.
#[inline(always)]
fn masses_of(distance: f32x4) -> (u32x4, u32x4) {
    let q = (distance * f32x4::splat(94548.61)).fast_trunc_int().max(i32x4::ZERO);
    let q: u32x4 = cast(q);
    let f = q & u32x4::splat(0xffff);
    let mut t = u32x4::splat(79);
    for c in [628, 3630, 15738, 45426, 65536] {
        t = u32x4::splat(c) - ((t * f) >> 16u32);
    }
    let near: u32x4 = cast(distance.simd_lt(f32x4::splat(22.0)));
    ((t << 15u32) & near, q >> 16u32)
}
