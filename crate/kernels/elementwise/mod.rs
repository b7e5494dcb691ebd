//! What is computed number by number. The shaders are in `shaders/elementwise`.

mod fill_up;
mod gate_by;
mod scale_by;

use wide::f32x4;

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
        let (n, width) = (p.n4 as usize * 4, p.n4 as usize * 4 * (1 + p.gated.min(1) as usize));
        let (first, second) = b.x.floats(r * width..(r + 1) * width).split_at(n);
        let (x, up) = if p.gated == 2 { (second, first) } else { (first, second) };
        let out = b.out.floats_mut(r * n..(r + 1) * n);
        match job.variant::<Self>().op {
            Op::SiluGlu => each::<L>(x, up, out, silu),
            Op::GeluGlu => each::<L>(x, up, out, gelu),
            Op::GeluErfGlu => each::<L>(x, up, out, gelu_erf),
            Op::Relu2Glu => each::<L>(x, up, out, |x| each_number(x, relu_squared)),
            Op::Clamp => each::<L>(x, up, out, |x| x.clamp(L::Number::of(-p.curve[0]), L::Number::of(p.curve[0]))),
            Op::LimitedGlu => limited::<L>(x, up, out, p.curve),
            Op::XieluGlu => each::<L>(x, up, out, |x| each_number(x, |x| xielu(x, p.curve))),
        }
    }
}

/// GELU as it was defined, of a vector whose length is a multiple of 4.
pub fn gelu_of(x: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    each::<f32x4>(x, &[], &mut out, gelu_erf);
    out
}

/// out = act(x) * up, or act(x) where there is no `up`.
#[inline(always)]
fn each<L: Lanes>(x: &[f32], up: &[f32], out: &mut [f32], act: impl Fn(L) -> L) {
    let inputs = x.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<4>().0);
    match up.as_chunks::<4>().0 {
        [] => inputs.for_each(|(x, out)| *out = act(L::load(x)).store()),
        up => inputs.zip(up).for_each(|((x, out), up)| *out = (act(L::load(x)) * L::load(up)).store()),
    }
}

/// out = g · sigmoid(slope · g) · (u + 1), where gates end at the limit and what they gate is within it; without `up`,
/// u is 1.
fn limited<L: Lanes>(x: &[f32], up: &[f32], out: &mut [f32], [slope, limit, ..]: [f32; 4]) {
    let number = |x: f32| L::splat(L::Number::of(x));
    let [low, high, least] = [-limit, limit, f32::MIN].map(L::Number::of);
    let ups = up.as_chunks::<4>().0.iter().map(L::load).chain(std::iter::repeat(number(1.0)));
    for ((x, up), out) in x.as_chunks::<4>().0.iter().zip(ups).zip(out.as_chunks_mut::<4>().0) {
        let gate = L::load(x).clamp(least, high);
        let share = number(1.0) / (number(1.0) + (-(number(slope) * gate)).exp());
        *out = (gate * share * (up.clamp(low, high) + number(1.0))).store();
    }
}

/// For what is not worth doing in lanes.
#[inline(always)]
fn each_number<L: Lanes>(x: L, act: impl Fn(L::Number) -> L::Number) -> L {
    L::load(&x.store().map(|x| act(L::Number::of(x)).to_f32()))
}

/// max(x, 0)² (So et al. 2021)
fn relu_squared<N: Number>(x: N) -> N {
    // In this order, so that what is no number stays none.
    if x < N::default() { N::default() } else { x * x }
}

/// XIELU (Huang & Schlag 2025), as the shader has it.
fn xielu<N: Number>(x: N, curve: [f32; 4]) -> N {
    let [right, left, slope, eps] = curve.map(N::of);
    let bent = if x > N::default() {
        right * x * x
    } else {
        let least = if x < eps { x } else { eps };
        (least.exp() - N::of(1.0) - x) * left
    };
    bent + slope * x
}

/// x · sigmoid(x)
#[inline(always)]
pub fn silu<L: Lanes>(x: L) -> L {
    let one = L::splat(L::Number::of(1.0));
    x / (one + (-x).exp())
}

/// 1 / (1 + e⁻ˣ)
#[inline(always)]
fn sigmoid<L: Lanes>(x: L) -> L {
    let one = L::splat(L::Number::of(1.0));
    one / (one + (-x).exp())
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

/// erfc(a) = t exp(P(t) - a²) with t = 1/(1 + a/2), for a ≥ 0 within 1.2·10⁻⁷ of itself (Press et al., Numerical Recipes,
/// `erfcc`); the lowest power first.
const ERFC: [f64; 10] = [
    -1.26551223,
    1.00002368,
    0.37409196,
    0.09678418,
    -0.18628806,
    0.27886807,
    -1.13520398,
    1.48851587,
    -0.82215223,
    0.17087277,
];

/// GELU as it was defined, x/2 · erfc(-x/√2) (Hendrycks & Gimpel 2016), written as max(x, 0) - |x|/2 · erfc(|x|/√2): nothing
/// is lost where erfc is small.
#[inline(always)]
fn gelu_erf<L: Lanes>(x: L) -> L {
    let number = |x: f64| L::splat(L::Number::of64(x));
    let (none, all) = (L::Number::of(0.0), L::Number::of(f32::MAX));
    let positive = x.clamp(none, all);
    let size = positive + (-x).clamp(none, all);
    // Farther out there is nothing to see.
    let a = (size * number(std::f64::consts::FRAC_1_SQRT_2)).clamp(none, L::Number::of(6.0));
    let t = number(1.0) / (number(1.0) + number(0.5) * a);
    let power = ERFC.iter().rev().fold(number(0.0), |sum, &factor| sum * t + number(factor));
    positive - number(0.5) * size * t * (power - a * a).exp()
}
