// RMS norms of the three parts that a row begins with, each by itself, in place:  part *= rsqrt(mean(part^2) + eps) * weight
// They are what Mamba makes steps, b and c of, in FalconMamba and Jamba.
// Shapes: x [R][stride], of which a part of T numbers and two of N are normed; weight [T + 2 N].
// Grid: (3, R), a workgroup a part.  On the CPU: crate/kernels/recurrent/parts_norm.rs
#import shared/turns
struct Params {
    // T.
    first: u32,
    // N.
    other: u32,
    // Numbers of a row.
    stride: u32,
    // Added to the mean of squares.
    eps: f32,
}
@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
#import shared/reduce_{reduce}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let part = group.x;
    let length = select(params.other, params.first, part == 0u);
    let begin = select(params.first + (part - 1u) * params.other, 0u, part == 0u);
    let row = group.y * params.stride + begin;
    let each = turns(lid, length, 64u);
    var squares = 0.0;
    for (var k = 0u; k < MOST_TURNS; k++) {
        if k >= each {
            break;
        }
        let v = x[row + lid + k * 64u];
        squares += v * v;
    }
    let scale = inverseSqrt(workgroup_sum(squares, lid) / f32(length) + params.eps);
    for (var k = 0u; k < MOST_TURNS; k++) {
        if k >= each {
            break;
        }
        let i = lid + k * 64u;
        x[row + i] *= scale * weight[begin + i];
    }
}
