// RMSNorm (Zhang & Sennrich 2019):  y = x[src] * rsqrt(mean(x[src]^2) + eps) * weight
//   out[r] = y            or, with accumulate,   out[r] += y   (a norm after attention or feed-forward)
// Shapes: x [*][K], weight [K], rows [R] (which row of x; used when gather is set), out [R][K]; K % 4 == 0.
// Grid: (1, R), a workgroup a row.  Mirror: crate/kernels/norm/mod.rs
struct Params {
    // Row length / 4.
    k4: u32,
    // Added to the mean of squares.
    eps: f32,
    // 1: read row `rows[r]` instead of row r.
    gather: u32,
    // 1: add to the output instead of overwriting it.
    accumulate: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> params: Params;
#import shared/turns
#import shared/reduce_{reduce}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    var src = group.y;
    if params.gather != 0u {
        src = rows[group.y];
    }
    let start = src * params.k4;
    let to = group.y * params.k4;
    var squares = vec4<f32>(0.0);
    let i_turns = turns(lid, params.k4, 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns {
            break;
        }
        let i = lid + i_turn * 64u;
        let v = x[start + i];
        squares += v * v;
    }
    let total = workgroup_sum(squares.x + squares.y + squares.z + squares.w, lid);
    let scale = inverseSqrt(total / f32(params.k4 * 4u) + params.eps);
    let i_turns2 = turns(lid, params.k4, 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns2 {
            break;
        }
        let i = lid + i_turn * 64u;
        let y = x[start + i] * scale * weight[i];
        if params.accumulate != 0u {
            out[to + i] += y;
        } else {
            out[to + i] = y;
        }
    }
}
