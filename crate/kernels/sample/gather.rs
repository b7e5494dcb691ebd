//! `shaders/sample/sample_gather.wgsl` on the CPU.

use std::ops::Range;

use bytemuck::cast;
use wide::{f32x4, i32x4, u32x4};

use super::reference::{BANNED, NONE, Options, better, bin_of, cuts, draw_key};
use super::{BINS, CUT_WORDS, LIST_WORDS};
use crate::kernels::cpu::{Kernel, Scratch, math, sized};
use crate::kernels::job::Job;
use crate::kernels::table::sample_gather::Variant;
use crate::kernels::table::sample_take::State;

pub static KERNEL: Kernel = Kernel { pieces: |_| 1, run };

/// What a thread keeps: each workgroup's drawn token, with its key.
#[derive(Default)]
struct Store {
    drawn: Vec<(u32, u32)>,
}

/// Neighbours that belong to one workgroup.
const BLOCK: usize = 64;
const CUTS: usize = CUT_WORDS;

fn run(job: &Job, _: Range<usize>, scratch: &mut Scratch) {
    let (p, b) = (job.params::<Variant>(), job.bind::<Variant>());
    let values = b.values.floats(0..p.n_vocab as usize);
    let (options, state): (Options, State) = (b.options.head(), b.state.head());
    let groups = job.grid[0] as usize;
    let list = b.list.words_mut(0..LIST_WORDS + values.len());
    let draws = b.draws.words_mut(0..CUTS + groups);
    let cut @ [k_bin, _, _, _, p_first, p_last, ..] = cuts(b.bins.all(), &options);
    let first_cut = k_bin.min(p_first);

    // Beyond the last bin that is cut nothing matters; without cuts, all that is likely enough may be drawn.
    let last_cut = [k_bin, p_first, p_last].into_iter().filter(|&b| b < NONE).max().unwrap_or(0);
    let limit = match first_cut {
        NONE => options.reach,
        _ if last_cut as usize >= BINS - 1 => f32::INFINITY,
        _ => f32::from_bits((7744 + last_cut + 1) << 17),
    };
    let best = f32x4::splat(values[list[1].min(p.n_vocab - 1) as usize]);
    let drawn = sized(&mut scratch.of::<Store>().drawn, groups);
    drawn.fill((0, NONE));
    let mut look = |id: u32, v: f32x4| {
        let distances = best - v;
        let near = distances.simd_le(f32x4::splat(limit)) & v.simd_gt(f32x4::splat(BANNED));
        let near = near.to_bitmask();
        if near == 0 {
            return;
        }
        let each = distances.to_array();
        let mut racing = near;
        if first_cut != NONE {
            for lane in (0..4).filter(|lane| near >> lane & 1 == 1) {
                let b = bin_of(each[lane]) as u32;
                if b >= first_cut || each[lane] > options.reach {
                    racing &= !(1 << lane);
                }
                if b == k_bin || b >= first_cut && (p_first..=p_last).contains(&b) {
                    list[LIST_WORDS + list[0] as usize] = id + lane as u32;
                    list[0] += 1;
                }
            }
        }
        let drawn = &mut drawn[id as usize / BLOCK % groups];
        if racing != 0 {
            racing &= may_win(id, distances, drawn.0, &options, &state);
        }
        for lane in (0..4).filter(|lane| racing >> lane & 1 == 1) {
            let id = id + lane as u32;
            *drawn = better(*drawn, (draw_key(id, each[lane], &options, &state), id));
        }
    };
    let (fours, rest) = values.as_chunks::<4>();
    (0..).step_by(4).zip(fours).for_each(|(id, v)| look(id, f32x4::new(*v)));
    if !rest.is_empty() {
        let mut v = [BANNED; 4];
        v[..rest.len()].copy_from_slice(rest);
        look(4 * fours.len() as u32, f32x4::new(v));
    }
    draws[..CUTS].copy_from_slice(&cut);
    draws[CUTS..].iter_mut().zip(drawn).for_each(|(to, (_, id))| *to = *id);
}

/// Which of four tokens may have a key as large as this one; few, so that most logarithms need not be taken. A key is
/// -distance / temperature - ln e, where e is at least the token's random number.
#[inline(always)]
fn may_win(first: u32, distance: f32x4, key: u32, options: &Options, state: &State) -> u32 {
    if key == 0 {
        return 0b1111;
    }
    let lead = f32::from_bits(if key >> 31 == 1 { key ^ 1 << 31 } else { !key });
    let behind = distance.fast_min(f32x4::splat(1e10)) * f32x4::splat(options.inv_temperature);
    // As much larger as roundings may make it.
    let slack = behind * f32x4::splat(5e-7) + f32x4::splat(1e-3);
    let most = math::exp(slack - (behind + f32x4::splat(lead)));
    let ids = u32x4::splat(first) + u32x4::new([0, 1, 2, 3]);
    let random: i32x4 = cast(hash(options.seed, state.step, ids) >> 8u32);
    (f32x4::from_i32x4(random) * f32x4::splat(1.0 / 16_777_216.0)).simd_le(most).to_bitmask()
}

/// The first word of `pcg4d`.
#[inline(always)]
fn hash(seed: [u32; 2], step: u32, ids: u32x4) -> u32x4 {
    let start = |words: u32x4| words * u32x4::splat(1_664_525) + u32x4::splat(1_013_904_223);
    let [mut a, mut b, mut c, mut d] =
        [u32x4::splat(seed[0]), u32x4::splat(seed[1]), u32x4::splat(step), ids].map(start);
    a += b * d;
    b += c * a;
    c += a * b;
    d += b * c;
    let fold = |words: u32x4| words ^ (words >> 16u32);
    fold(a) + fold(b) * fold(d)
}
