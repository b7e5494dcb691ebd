//! Blocks of 256 weights whose scales, and minima, are small integers themselves: Q2_K to Q6_K.

use half::f16;

use super::search::{
    FINE, LANES, Lanes, NOTHING, Steps, by_integer, mean_square, nearest, positive, ranged, symmetric,
};

/// Weights of a block.
pub const LEN: usize = 256;
/// What the importance of each column is for these weights, and what their squares are on average.
type Importance<'a> = Option<&'a [f32; LEN]>;

/// Runs with a scale and a minimum each: w = d · scale · q − dmin · min.
struct Ranged<const N: usize> {
    /// The largest q, and the largest scale and minimum.
    most: f32,
    most_scale: f32,
    steps: Steps,
    /// What the mean square of the block is multiplied by, where an importance is given.
    spread: f32,
    /// How much a weight counts, by its size and the mean square of its run, where none is given.
    counts: fn(f32, f32) -> f32,
}

const Q2_K: Ranged<16> = Ranged {
    most: 3.0,
    most_scale: 15.0,
    steps: Steps { first: -0.5, each: 0.1, last: 15, absolute: true },
    spread: 1.0,
    counts: |x, _| x.abs(),
};
const Q4_K: Ranged<32> = Ranged {
    most: 15.0,
    most_scale: 63.0,
    steps: Steps { first: -1.0, each: 0.1, last: 20, absolute: false },
    spread: 2.0,
    counts: |x, square| square.sqrt() + x.abs(),
};
const Q5_K: Ranged<32> = Ranged { most: 31.0, steps: Steps { first: -0.5, last: 15, ..Q4_K.steps }, ..Q4_K };

/// What a block becomes, before it is packed.
struct Found {
    d: f16,
    dmin: f16,
    /// Of each run.
    scales: [u8; 16],
    mins: [u8; 16],
    q: [u8; LEN],
}

/// Eight runs of N weights, one a lane.
fn runs<const N: usize>(x: &[f32; LEN], group: usize) -> [Lanes; N] {
    std::array::from_fn(|i| std::array::from_fn(|j| x[(group * LANES + j) * N + i]))
}

/// How much each weight of these runs counts, and of each run all together.
fn weights<const N: usize>(
    x: &[Lanes; N],
    importance: Option<[Lanes; N]>,
    spread: f32,
    counts: fn(f32, f32) -> f32,
) -> ([Lanes; N], Lanes) {
    let mut squares = [0.0; LANES];
    x.iter().for_each(|x| (0..LANES).for_each(|j| squares[j] += x[j] * x[j]));
    let weights = match importance {
        Some(by) => std::array::from_fn(|i| std::array::from_fn(|j| by[i][j] * (spread + x[i][j] * x[i][j]).sqrt())),
        None => x.map(|x| std::array::from_fn(|j| counts(x[j], squares[j] / N as f32))),
    };
    let mut sums = [0.0; LANES];
    weights.iter().for_each(|w: &Lanes| (0..LANES).for_each(|j| sums[j] += w[j]));
    (weights, sums)
}

/// Integers from 0 to `most` for numbers of which `end` is the largest, and the scale.
fn whole<const N: usize>(most: f32, x: &[f32; N]) -> ([f32; N], f32) {
    let end = x.iter().fold(0.0f32, |end, x| if *x > end { *x } else { end });
    let by = if end > 0.0 { most / end } else { 0.0 };
    (x.map(|x| nearest(by * x).clamp(0.0, most)), end / most)
}

impl<const N: usize> Ranged<N> {
    /// `RUNS` runs of N are a block.
    fn find<const RUNS: usize>(&self, x: &[f32; LEN], importance: Importance) -> Found {
        let spread = self.spread * mean_square(x);
        let steps = if importance.is_some() { FINE } else { self.steps };
        let (mut scales, mut mins, mut sums) = ([0.0; RUNS], [0.0; RUNS], [0.0; RUNS]);
        let mut q = [0; LEN];
        for group in 0..RUNS / LANES {
            let some = runs::<N>(x, group);
            let by = importance.map(|importance| runs::<N>(importance, group));
            let (weights, sum) = weights(&some, by, spread, self.counts);
            let (found, scale, min) = ranged(self.most, &some, &weights, steps);
            for j in 0..LANES {
                let run = group * LANES + j;
                (scales[run], mins[run], sums[run]) = (scale[j], min[j], sum[j]);
                (0..N).for_each(|i| q[run * N + i] = found[i][j] as u8);
            }
        }
        let of = |x: &[f32; RUNS]| match importance {
            Some(_) => positive(self.most_scale, x, &sums),
            None => whole(self.most_scale, x),
        };
        let ((scales, d), (mins, dmin)) = (of(&scales), of(&mins));
        let (d, dmin) = (f16::from_f32(d), f16::from_f32(dmin));
        let mut found = Found { d, dmin, scales: [0; 16], mins: [0; 16], q };
        // The integers once more, by the scales as they are written.
        for (run, (q, x)) in found.q.chunks_exact_mut(N).zip(x.chunks_exact(N)).enumerate() {
            (found.scales[run], found.mins[run]) = (scales[run] as u8, mins[run] as u8);
            let step = d.to_f32() * scales[run];
            if step != 0.0 {
                let min = dmin.to_f32() * mins[run];
                q.iter_mut().zip(x).for_each(|(q, x)| *q = nearest((x + min) / step).clamp(0.0, self.most) as u8);
            }
        }
        found
    }
}

pub fn q2_k(x: &[f32; LEN], importance: Importance, out: &mut Vec<u8>) {
    let found = Q2_K.find::<16>(x, importance);
    out.extend((0..16).map(|run| found.scales[run] | found.mins[run] << 4));
    twos(&found.q, out);
    halves([found.d, found.dmin], out);
}

pub fn q4_k(x: &[f32; LEN], importance: Importance, out: &mut Vec<u8>) {
    let found = Q4_K.find::<8>(x, importance);
    halves([found.d, found.dmin], out);
    sixes(&found, out);
    fours(&found.q, out);
}

pub fn q5_k(x: &[f32; LEN], importance: Importance, out: &mut Vec<u8>) {
    let found = Q5_K.find::<8>(x, importance);
    halves([found.d, found.dmin], out);
    sixes(&found, out);
    out.extend((0..32).map(|at| (0..8).fold(0, |bits, run| bits | found.q[32 * run + at] >> 4 << run)));
    fours(&found.q, out);
}

/// Scales of 6 bits, w = d · (scale − 32) · (q − 4).
pub fn q3_k(x: &[f32; LEN], importance: Importance, out: &mut Vec<u8>) {
    let (scales, sums, mut q) = runs_about_zero(x, |some, group| match importance {
        Some(by) => {
            let (weights, sums) = weights(some, Some(runs(by, group)), 2.0 * mean_square(x), |_, _| 0.0);
            (symmetric(4.0, some, &weights), sums)
        }
        None => (by_integer(4.0, some), [0.0; LANES]),
    });
    let (scales, d) = if importance.is_some() {
        // One lane of many.
        let only = |x: &[f32; 16]| x.map(|x| std::array::from_fn(|j| if j == 0 { x } else { 0.0 }));
        let (found, d) = symmetric(32.0, &only(&scales), &only(&sums));
        (found.map(|found| found[0] as u8), d[0])
    } else {
        let end = furthest(&scales);
        let by = -32.0 / end;
        let of = |scale: f32| (nearest(by * scale).clamp(-32.0, 31.0) + 32.0) as u8;
        if end == 0.0 { ([0; 16], 0.0) } else { (scales.map(of), 1.0 / by) }
    };
    let d = f16::from_f32(d);
    again(4.0, x, |run| d.to_f32() * (f32::from(scales[run]) - 32.0), &mut q);
    out.extend((0..32).map(|at| (0..8).fold(0, |bits, run| bits | q[32 * run + at] >> 2 << run)));
    twos(&q.map(|q| q & 3), out);
    out.extend((0..8).map(|at| scales[at] & 15 | (scales[at + 8] & 15) << 4));
    out.extend((0..4).map(|at| (0..4).fold(0, |bits, part| bits | scales[4 * part + at] >> 4 << (2 * part))));
    halves([d], out);
}

/// Scales of 8 bits, w = d · scale · (q − 32).
pub fn q6_k(x: &[f32; LEN], importance: Importance, out: &mut Vec<u8>) {
    let (scales, _, mut q) = runs_about_zero(x, |some, group| {
        let weights = match importance {
            Some(by) => runs(by, group),
            None => some.map(|x| x.map(|x| x * x)),
        };
        (symmetric(32.0, some, &weights), [0.0; LANES])
    });
    let end = furthest(&scales);
    if end.abs() < NOTHING {
        return out.extend([0; 210]);
    }
    let by = -128.0 / end;
    let scales = scales.map(|scale| nearest(by * scale).clamp(-128.0, 127.0) as i8);
    let d = f16::from_f32(1.0 / by);
    again(32.0, x, |run| d.to_f32() * f32::from(scales[run]), &mut q);
    for half in q.chunks_exact(128) {
        out.extend((0..64).map(|at| half[at] & 15 | (half[at + 64] & 15) << 4));
    }
    for half in q.chunks_exact(128) {
        out.extend((0..32).map(|at| (0..4).fold(0, |bits, part| bits | half[32 * part + at] >> 4 << (2 * part))));
    }
    out.extend(scales.map(|scale| scale as u8));
    halves([d], out);
}

/// The integers and scales that `find` has for eight runs at a time, and what it says of each run.
fn runs_about_zero(
    x: &[f32; LEN],
    find: impl Fn(&[Lanes; 16], usize) -> (([Lanes; 16], Lanes), Lanes),
) -> ([f32; 16], [f32; 16], [u8; LEN]) {
    let (mut scales, mut sums, mut q) = ([0.0; 16], [0.0; 16], [0; LEN]);
    for group in 0..2 {
        let ((found, scale), sum) = find(&runs(x, group), group);
        for j in 0..LANES {
            let run = group * LANES + j;
            (scales[run], sums[run]) = (scale[j], sum[j]);
            (0..16).for_each(|i| q[run * 16 + i] = found[i][j] as u8);
        }
    }
    (scales, sums, q)
}

/// The integers once more, by the scales as they are written.
fn again(most: f32, x: &[f32; LEN], step: impl Fn(usize) -> f32, q: &mut [u8; LEN]) {
    for (run, (q, x)) in q.chunks_exact_mut(16).zip(x.chunks_exact(16)).enumerate() {
        let step = step(run);
        if step != 0.0 {
            let of = |x: f32| (nearest(x / step).clamp(-most, most - 1.0) + most) as u8;
            q.iter_mut().zip(x).for_each(|(q, x)| *q = of(*x));
        }
    }
}

/// The number that is furthest from 0: the first of several.
fn furthest(x: &[f32; 16]) -> f32 {
    x.iter().fold(0.0f32, |end, x| if x.abs() > end.abs() { *x } else { end })
}

fn halves<const N: usize>(halves: [f16; N], out: &mut Vec<u8>) {
    halves.iter().for_each(|half| out.extend(half.to_le_bytes()));
}

/// Two bits each: four runs of 32 weights in 32 bytes.
fn twos(q: &[u8; LEN], out: &mut Vec<u8>) {
    for half in q.chunks_exact(128) {
        out.extend((0..32).map(|at| (0..4).fold(0, |bits, run| bits | half[32 * run + at] << (2 * run))));
    }
}

/// The low four bits: two runs of 32 weights in 32 bytes.
fn fours(q: &[u8; LEN], out: &mut Vec<u8>) {
    for pair in q.chunks_exact(64) {
        out.extend((0..32).map(|at| pair[at] & 15 | (pair[at + 32] & 15) << 4));
    }
}

/// Eight scales and eight minima of six bits.
fn sixes(found: &Found, out: &mut Vec<u8>) {
    let Found { scales, mins, .. } = found;
    out.extend((0..4).map(|at| scales[at] | scales[at + 4] >> 4 << 6));
    out.extend((0..4).map(|at| mins[at] | mins[at + 4] >> 4 << 6));
    out.extend((4..8).map(|at| scales[at] & 15 | (mins[at] & 15) << 4));
}
