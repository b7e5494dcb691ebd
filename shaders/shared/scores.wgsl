// What every attention kernel does with scores; `params` has heads, a window, a softcap and alibi, 0 for none.
const LOWEST: f32 = -3.0e38;

// The first of the cells before `end` that a row sees.
fn first_seen(end: u32) -> u32 {
    return end - min(end, select(params.window, end, params.window == 0u));
}

fn capped(score: vec4<f32>) -> vec4<f32> {
    if params.softcap > 0.0 {
        return params.softcap * tanh(clamp(score / params.softcap, vec4<f32>(-15.0), vec4<f32>(15.0)));
    }
    return score;
}

// How far one position is from another.
fn distance(a: u32, b: u32) -> f32 {
    return abs(f32(i32(a) - i32(b)));
}

// How much a head's scores fall with each position between query and key (ALiBi, Press et al. 2022): a geometric series
// over as many heads as make a power of two, and for those beyond it the steps between.  Mirror: crate/kernels/attention/mod.rs
fn slope(head: u32) -> f32 {
    if params.alibi == 0.0 {
        return 0.0;
    }
    let whole = 1u << firstLeadingBit(params.n_heads);
    let step = select(f32(head) - f32(whole) + 0.5, f32(head) + 1.0, head < whole);
    return exp2(-params.alibi / f32(whole) * step);
}

// Those of four heads.
fn slopes_from(head: u32) -> vec4<f32> {
    return vec4<f32>(slope(head), slope(head + 1u), slope(head + 2u), slope(head + 3u));
}
