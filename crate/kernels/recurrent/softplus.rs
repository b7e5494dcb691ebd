//! What state spaces and delta nets make steps of.

use crate::kernels::rows::Number;

/// ln(1 + exp(x)), as `shaders/shared/softplus.wgsl` has it, with more of the series.
pub fn softplus<N: Number>(x: N) -> N {
    let zero = N::default();
    let [one, two, most] = [1.0, 2.0, -80.0].map(N::of);
    let below = if x > zero { -x } else { x };
    let e = if below > most { below } else { most }.exp();
    let z = e / (two + e);
    let series = (0..12).rev().fold(zero, |sum, k| sum * z * z + one / N::of((2 * k + 1) as f32));
    (if x > zero { x } else { zero }) + two * z * series
}
