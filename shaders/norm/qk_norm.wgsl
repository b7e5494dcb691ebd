// RMSNorm (Zhang & Sennrich 2019) of all queries of a token together, and of its keys; its values are copied
// ("2 OLMo 2 Furious", OLMo team 2024):  q * rsqrt(mean(q^2) + eps) * q_norm,  k * rsqrt(mean(k^2) + eps) * k_norm,  v
// Shapes: x, out [R][4 * (q4 + 2*k4)], q_norm [4*q4], k_norm [4*k4].
// Grid: (1, R), a workgroup a row.  On the CPU: crate/kernels/norm/qk_norm.rs
struct Params {
    // Numbers of the queries / 4.
    q4: u32,
    // Numbers of the keys / 4, as of the values.
    k4: u32,
    // Added to the means of squares.
    eps: f32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> q_norm: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k_norm: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> params: Params;
#import shared/turns
#import shared/reduce_{reduce}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let values = params.q4 + params.k4;
    let start = group.y * (values + params.k4);
    var squares = vec2<f32>(0.0);
    let i_turns = turns(lid, values, 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns {
            break;
        }
        let i = lid + i_turn * 64u;
        let v = x[start + i];
        let square = dot(v, v);
        squares += select(vec2<f32>(0.0, square), vec2<f32>(square, 0.0), i < params.q4);
    }
    let total = workgroup_sum4(vec4<f32>(squares, 0.0, 0.0), lid);
    let q_scale = inverseSqrt(total.x / f32(params.q4 * 4u) + params.eps);
    let k_scale = inverseSqrt(total.y / f32(params.k4 * 4u) + params.eps);
    let i_turns2 = turns(lid, values + params.k4, 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns2 {
            break;
        }
        let i = lid + i_turn * 64u;
        var v = x[start + i];
        if i < params.q4 {
            v *= q_scale * q_norm[i];
        } else if i < values {
            v *= k_scale * k_norm[i - params.q4];
        }
        out[start + i] = v;
    }
}
