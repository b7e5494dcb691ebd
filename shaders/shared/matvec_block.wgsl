// What the matrix-vector kernels whose threads share rows have in common.

// The four blocks of weights of a thread, as they lie in memory.
struct Four {
    a: Raw, b: Raw, c: Raw, d: Raw,
}

fn fetch4(at: vec4<u32>) -> Four {
    return Four(fetch(at.x), fetch(at.y), fetch(at.z), fetch(at.w));
}

// 32 activations as a matrix-vector product takes them: times their norm weights, where there is a norm.
struct Activations {
    x0: vec4<f32>, x1: vec4<f32>, x2: vec4<f32>, x3: vec4<f32>,
    x4: vec4<f32>, x5: vec4<f32>, x6: vec4<f32>, x7: vec4<f32>,
    // The sum of their squares, without those weights; 0 without a norm.
    squares: f32,
}

fn load_activations(input: Input, kb: u32) -> Activations {
    let at = kb * 8u;
    var x0 = load_x(input, at);
    var x1 = load_x(input, at + 1u);
    var x2 = load_x(input, at + 2u);
    var x3 = load_x(input, at + 3u);
    var x4 = load_x(input, at + 4u);
    var x5 = load_x(input, at + 5u);
    var x6 = load_x(input, at + 6u);
    var x7 = load_x(input, at + 7u);
    keep_x(input, at, x0, x1, x2, x3, x4, x5, x6, x7);
    var squares = 0.0;
    if params.has_norm != 0u {
        squares = dot(x0, x0) + dot(x1, x1) + dot(x2, x2) + dot(x3, x3) +
            dot(x4, x4) + dot(x5, x5) + dot(x6, x6) + dot(x7, x7);
        x0 *= norm[at];
        x1 *= norm[at + 1u];
        x2 *= norm[at + 2u];
        x3 *= norm[at + 3u];
        x4 *= norm[at + 4u];
        x5 *= norm[at + 5u];
        x6 *= norm[at + 6u];
        x7 *= norm[at + 7u];
    }
    return Activations(x0, x1, x2, x3, x4, x5, x6, x7, squares);
}

// The product of a block of weights and one of activations, whose halves have these sums.
fn multiplied(raw: Raw, b: u32, v: Activations, sums: vec2<f32>) -> f32 {
    let w = block(raw, b);
    let low = dot(w.v0, v.x0) + dot(w.v1, v.x1) + dot(w.v2, v.x2) + dot(w.v3, v.x3);
    let high = dot(w.v4, v.x4) + dot(w.v5, v.x5) + dot(w.v6, v.x6) + dot(w.v7, v.x7);
    return dot(w.scale, vec2<f32>(low, high)) + dot(w.offset, sums);
}
