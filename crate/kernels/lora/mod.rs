//! The two small products of adapters beside a large one. The shaders are in `shaders/lora`.

use super::cell;
use super::job::Job;
use super::rows::{Lanes, Number, Rows};
use super::table::{lora_down, lora_pick, lora_up};

/// Ranks and columns that a thread does at a time.
const RANKS: usize = 16;
const COLUMNS: usize = 256;

impl Rows for lora_down::Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize * (job.params::<Self>().ranks as usize).div_ceil(RANKS)
    }

    fn row<L: Lanes>(job: &Job, piece: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let (k, ranks, first) = (p.k4 as usize * 4, p.ranks as usize, p.first as usize);
        let (r, from) = (piece / ranks.div_ceil(RANKS), piece % ranks.div_ceil(RANKS) * RANKS);
        let to = ranks.min(from + RANKS);
        let of = if p.gather != 0 { b.rows.words(r..r + 1)[0] as usize } else { r };
        let x = b.x.floats(r * k..(r + 1) * k);
        let places = b.places.words(4 * (first + from)..4 * (first + to));
        let out = b.h.floats_mut(r * ranks + from..r * ranks + to);
        for ((j, place), out) in (from..).zip(places.as_chunks::<4>().0).zip(out) {
            let at = of * p.adapters as usize + place[0] as usize;
            let gain = b.gains.floats(at..at + 1)[0];
            *out = 0.0;
            if gain != 0.0 {
                let sum = dot::<L>(b.a.floats(j * k..(j + 1) * k), x);
                *out = (L::Number::of(gain) * sum).to_f32();
            }
        }
    }
}

/// Four sums that do not wait for each other.
#[inline(always)]
fn dot<L: Lanes>(a: &[f32], x: &[f32]) -> L::Number {
    let zero = L::splat(L::Number::default());
    let mut sums = [zero; 4];
    let ((a, a_rest), (x, x_rest)) = (a.as_chunks::<16>(), x.as_chunks::<16>());
    for (a, x) in a.iter().zip(x) {
        for ((sum, a), x) in sums.iter_mut().zip(a.as_chunks::<4>().0).zip(x.as_chunks::<4>().0) {
            *sum = *sum + L::load(a) * L::load(x);
        }
    }
    let rest = a_rest.as_chunks::<4>().0.iter().zip(x_rest.as_chunks::<4>().0);
    let rest = rest.fold(zero, |sum, (a, x)| sum + L::load(a) * L::load(x));
    (sums[0] + sums[1] + (sums[2] + sums[3]) + rest).sum()
}

impl Rows for lora_pick::Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize
    }

    fn row<L: Lanes>(job: &Job, r: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let (ranks, n_vocab, first) = (p.ranks as usize, p.n_vocab as usize, p.first as usize);
        let token = (b.batch.words(4 * r..4 * r + 1)[0] & cell::TOKEN) as usize;
        let places = b.places.words(4 * first..4 * (first + ranks));
        let out = b.h.floats_mut(r * ranks..(r + 1) * ranks);
        for ((j, place), out) in (0..).zip(places.as_chunks::<4>().0).zip(out) {
            let at = r * p.adapters as usize + place[0] as usize;
            let number = |x: &[f32]| L::Number::of(x[0]);
            let picked = number(b.a.floats(j * n_vocab + token..j * n_vocab + token + 1));
            *out = (number(b.gains.floats(at..at + 1)) * L::Number::of(p.scale) * picked).to_f32();
        }
    }
}

impl Rows for lora_up::Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize * (job.params::<Self>().n as usize).div_ceil(COLUMNS)
    }

    fn row<L: Lanes>(job: &Job, piece: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let (ranks, n, first) = (p.ranks as usize, p.n as usize, p.first as usize);
        let (r, from) = (piece / n.div_ceil(COLUMNS), piece % n.div_ceil(COLUMNS) * COLUMNS);
        let to = n.min(from + COLUMNS);
        let (mut sums, mut end) = ([L::Number::default(); COLUMNS], from);
        let mut begin = to;
        let places = b.places.words(4 * first..4 * (first + ranks)).as_chunks::<4>().0;
        for (&by, place) in b.h.floats(r * ranks..(r + 1) * ranks).iter().zip(places) {
            let [_, column, columns, start] = place.map(|word| word as usize);
            let (least, most) = (column.max(from), (column + columns).min(to));
            if by == 0.0 || least >= most {
                continue;
            }
            (begin, end) = (begin.min(least), end.max(most));
            let weights = b.b.floats(start + least - column..start + most - column);
            add::<L>(L::Number::of(by), weights, &mut sums[least - from..most - from]);
        }
        if begin < end {
            let out = b.out.floats_mut(r * n + begin..r * n + end);
            out.iter_mut()
                .zip(&sums[begin - from..])
                .for_each(|(out, &sum)| *out = (L::Number::of(*out) + sum).to_f32());
        }
    }
}

/// sums += by * weights
#[inline(always)]
fn add<L: Lanes>(by: L::Number, weights: &[f32], sums: &mut [L::Number]) {
    sums.iter_mut().zip(weights).for_each(|(sum, &weight)| *sum = *sum + by * L::Number::of(weight));
}
