// Norms of a token's queries and of its keys before they are rotated, in place: of all of them together, or head by head.
//   RMS (Zhang & Sennrich 2019; "2 OLMo 2 Furious", OLMo team 2024):  x * rsqrt(mean(x^2) + eps) * weight
//   layer norm (Ba, Kiros & Hinton 2016):  (x - mean(x)) * rsqrt(mean((x - mean(x))^2) + eps) * weight (+ bias)
// Shapes: x [R][4 * (q4 + 2*k4)], of which the values stay; weight [4 * (q4 + k4)], and behind it as many biases, if any.
// Grid: (q_parts + k_parts, R), a workgroup a part.  On the CPU: crate/kernels/norm/qk_norm.rs
struct Params {
    // Numbers of the queries / 4.
    q4: u32,
    // Numbers of the keys / 4, as of the values.
    k4: u32,
    // Parts of the queries that are normed by themselves: 1, or their heads.
    q_parts: u32,
    // Those of the keys.
    k_parts: u32,
    // Added to the means of squares.
    eps: f32,
    // 1: a layer norm; 2: one with biases.
    layer: u32,
}
@group(0) @binding(0) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;
#import shared/turns
#import shared/reduce_{reduce}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let is_q = group.x < params.q_parts;
    let part = select(group.x - params.q_parts, group.x, is_q);
    let length = select(params.k4 / params.k_parts, params.q4 / params.q_parts, is_q);
    let first = select(params.q4, 0u, is_q) + part * length;
    let start = group.y * (params.q4 + 2u * params.k4) + first;
    let i_turns = turns(lid, length, 64u);
    var mean = 0.0;
    if params.layer != 0u {
        var sum = 0.0;
        for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
            if i_turn >= i_turns {
                break;
            }
            sum += dot(x[start + lid + i_turn * 64u], vec4<f32>(1.0));
        }
        mean = workgroup_sum(sum, lid) / f32(length * 4u);
    }
    var squares = 0.0;
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns {
            break;
        }
        let v = x[start + lid + i_turn * 64u] - mean;
        squares += dot(v, v);
    }
    let scale = inverseSqrt(workgroup_sum(squares, lid) / f32(length * 4u) + params.eps);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns {
            break;
        }
        let i = lid + i_turn * 64u;
        var bias = vec4<f32>(0.0);
        if params.layer == 2u {
            bias = weight[params.q4 + params.k4 + first + i];
        }
        x[start + i] = (x[start + i] - mean) * scale * weight[first + i] + bias;
    }
}
