// What Mamba-2 makes of a state space's results:  u = y * silu(z),   out = u, or of each group u * rsqrt(mean(u^2) + eps) * weight
// And Qwen3-Next of a delta net's, with the norm first:  out = y * rsqrt(mean(y^2) + eps) * weight * silu(z)
// Shapes: y [R][groups][G], z [R][stride], of which the first groups * G, weight [groups * G], or [G] with the norm first, out [R][O],
// zeros behind groups * G;
// G, the stride and O are multiples of 4.
// Grid: (groups, R), a workgroup a group.  On the CPU: crate/kernels/recurrent/gated_norm.rs
#import shared/turns
struct Params {
    // G / 4.
    g4: u32,
    // Groups.
    groups: u32,
    // Numbers of a row of z / 4.
    stride4: u32,
    // O / 4.
    out4: u32,
    // 1: there is a norm; 2: it comes first.
    has_norm: u32,
    // Added to the mean of squares.
    eps: f32,
}
@group(0) @binding(0) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> z: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> params: Params;
#import shared/reduce_{reduce}
#import shared/activation

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let begin = group.x * params.g4;
    let width4 = params.groups * params.g4;
    let to = group.y * params.out4;
    let each = turns(lid, params.g4, 64u);
    var scale = 1.0;
    if params.has_norm != 0u {
        var squares = vec4<f32>(0.0);
        for (var k = 0u; k < MOST_TURNS; k++) {
            if k >= each {
                break;
            }
            let i = begin + lid + k * 64u;
            var u = y[group.y * width4 + i];
            if params.has_norm == 1u {
                u *= activate(z[group.y * params.stride4 + i], false);
            }
            squares += u * u;
        }
        let total = workgroup_sum(squares.x + squares.y + squares.z + squares.w, lid);
        scale = inverseSqrt(total / f32(params.g4 * 4u) + params.eps);
    }
    for (var k = 0u; k < MOST_TURNS; k++) {
        if k >= each {
            break;
        }
        let i = begin + lid + k * 64u;
        var u = y[group.y * width4 + i] * activate(z[group.y * params.stride4 + i], false);
        if params.has_norm != 0u {
            u *= scale * weight[select(i, i - begin, params.has_norm == 2u)];
        }
        out[to + i] = u;
    }
    if group.x == 0u && lid < params.out4 - width4 {
        out[to + width4 + lid] = vec4<f32>(0.0);
    }
}
