//! Norms of rows. The shaders are in `shaders/norm`.

mod qk_norm;

use super::job::Job;
use super::rows::{Lanes, Number, Rows, squares};
use super::table::{layernorm, rmsnorm};

impl Rows for rmsnorm::Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize
    }

    fn row<L: Lanes>(job: &Job, r: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let k = p.k4 as usize * 4;
        let source = if p.gather != 0 { b.rows.words(r..r + 1)[0] as usize } else { r };
        let x = b.x.floats(source * k..(source + 1) * k);
        let out = b.out.floats_mut(r * k..(r + 1) * k);
        let weight = b.weight.floats(0..k);
        let scale = rms_scale::<L>(x, p.eps);
        if p.accumulate != 0 {
            weighted::<L>(x, scale, weight, out, |y, out| out + y);
        } else {
            weighted::<L>(x, scale, weight, out, |y, _| y);
        }
    }
}

impl Rows for layernorm::Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize
    }

    fn row<L: Lanes>(job: &Job, r: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let k = p.k4 as usize * 4;
        let source = if p.gather != 0 { b.rows.words(r..r + 1)[0] as usize } else { r };
        let x = b.x.floats(source * k..(source + 1) * k).as_chunks::<4>().0;
        let (weight, bias) = (b.weight.floats(0..k).as_chunks::<4>().0, b.bias.floats(0..k).as_chunks::<4>().0);
        let (mean, scale) = moments::<L>(x, p.n as usize, p.eps, p.centred != 0);
        let out = b.out.floats_mut(r * k..(r + 1) * k).as_chunks_mut::<4>().0;
        for (((x, weight), bias), out) in x.iter().zip(weight).zip(bias).zip(out) {
            let y = (L::load(x) - mean) * scale * L::load(weight) + L::load(bias);
            *out = if p.accumulate != 0 { L::load(out) + y } else { y }.store();
        }
    }
}

/// The mean of the first n numbers, behind which are zeros, or 0 where it is not to be taken off, and 1 / sqrt(variance
/// + eps).
#[inline(always)]
fn moments<L: Lanes>(x: &[[f32; 4]], n: usize, eps: f32, centred: bool) -> (L, L) {
    let (zero, count) = (L::splat(L::Number::default()), L::Number::of(n as f32));
    let mean = match centred {
        true => L::splat(x.iter().fold(zero, |sum, x| sum + L::load(x)).sum() / count),
        false => zero,
    };
    let mut squares = x[..n / 4].iter().map(|x| L::load(x) - mean).fold(zero, |sum, v| sum + v * v);
    if !n.is_multiple_of(4) {
        let mut last = (L::load(&x[n / 4]) - mean).store();
        last[n % 4..].fill(0.0);
        squares = squares + L::load(&last) * L::load(&last);
    }
    let variance = squares.sum() / count;
    (mean, L::splat(L::Number::of(1.0) / (variance + L::Number::of(eps)).sqrt()))
}

/// 1 / rms(x): the root of the mean of squares. The length is a multiple of 4.
#[inline(always)]
pub fn rms_scale<L: Lanes>(x: &[f32], eps: f32) -> L::Number {
    let mean = squares::<L>(x) / L::Number::of(x.len() as f32);
    L::Number::of(1.0) / (mean + L::Number::of(eps)).sqrt()
}

/// out = x / rms(x) * weight; lengths are equal and multiples of 4.
#[inline(always)]
pub fn normalise<L: Lanes>(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    weighted::<L>(x, rms_scale::<L>(x, eps), weight, out, |y, _| y);
}

/// out = to(x * scale * weight, out)
#[inline(always)]
fn weighted<L: Lanes>(x: &[f32], scale: L::Number, weight: &[f32], out: &mut [f32], to: impl Fn(L, L) -> L) {
    let scale = L::splat(scale);
    let inputs = x.as_chunks::<4>().0.iter().zip(weight.as_chunks::<4>().0);
    for ((x, weight), out) in inputs.zip(out.as_chunks_mut::<4>().0) {
        *out = to(L::load(x) * scale * L::load(weight), L::load(out)).store();
    }
}
