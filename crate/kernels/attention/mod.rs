//! Attention over the cache. The shaders are in `shaders/attention`.

mod attend;
mod combine;
mod many_rows;
mod reference;
mod single_rows;
mod unpack;
mod wide;

/// How much a head's scores fall with each position between query and key: see `slope` in `shaders/shared/scores.wgsl`.
fn slope(alibi: f32, n_heads: usize, head: usize) -> f64 {
    let whole = 1 << n_heads.ilog2();
    let step = if head < whole { head as f64 + 1.0 } else { (head - whole) as f64 + 0.5 };
    if alibi == 0.0 { 0.0 } else { (f64::from(-alibi) / whole as f64 * step).exp2() }
}
