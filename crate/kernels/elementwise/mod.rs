//! What is computed number by number. The shaders are in `shaders/elementwise`.

use super::job::Job;
use super::rows::{Lanes, Number, Rows};
use super::table::choices::Op;
use super::table::map;

impl Rows for map::Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize
    }

    fn row<L: Lanes>(job: &Job, r: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let n = p.n4 as usize * 4;
        let (a, other) = b.x.floats(2 * r * n..2 * (r + 1) * n).split_at(n);
        let out = b.out.floats_mut(r * n..(r + 1) * n);
        match job.variant::<Self>().op {
            Op::SiluGlu => each::<L>(a, other, out, |gate, up| silu(gate) * up),
            Op::GeluGlu => each::<L>(a, other, out, |gate, up| gelu(gate) * up),
        }
    }
}

#[inline(always)]
fn each<L: Lanes>(a: &[f32], b: &[f32], out: &mut [f32], op: impl Fn(L, L) -> L) {
    let inputs = a.as_chunks::<4>().0.iter().zip(b.as_chunks::<4>().0);
    for ((a, b), out) in inputs.zip(out.as_chunks_mut::<4>().0) {
        *out = op(L::load(a), L::load(b)).store();
    }
}

/// x · sigmoid(x)
#[inline(always)]
pub fn silu<L: Lanes>(x: L) -> L {
    let one = L::splat(L::Number::of(1.0));
    x / (one + (-x).exp())
}

/// GELU by its tanh formula, written as x · sigmoid(2 √(2/π) (x + 0.044715 x³)) (Hendrycks & Gimpel 2016).
#[inline(always)]
pub fn gelu<L: Lanes>(x: L) -> L {
    let one = L::splat(L::Number::of(1.0));
    let bend = L::splat(L::Number::of64(0.044715));
    let slope = L::splat(L::Number::of64(1.595_769_121_605_730_7));
    let z = slope * (x + bend * x * x * x);
    x / (one + (-z).exp())
}
