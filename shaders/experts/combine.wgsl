// What the experts of a row gave, each times its weight (route.wgsl), added up:
//   out[r] = sum over c of w[r][c] * y[used * r + c];   with accumulate, out += ...
// Shapes: choices [R][used] (expert, weight), y [R * used][K], out [R][K]; K % 4 == 0.
// Grid: (ceil(K/4 / 64), R), a thread 4 elements.  On the CPU: crate/kernels/experts/combine.rs
#import shared/turns
struct Params {
    // K / 4.
    k4: u32,
    // Choices of a row.
    used: u32,
    // 1: results are added to what is there.
    accumulate: u32,
}
@group(0) @binding(0) var<storage, read> choices: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let i = group.x * 64u + lid;
    if i >= params.k4 {
        return;
    }
    let end = params.used;
    var sum = vec4<f32>(0.0);
    for (var c = 0u; c < MOST_TURNS; c++) {
        if c >= end {
            break;
        }
        let pair = group.y * params.used + c;
        sum += choices[pair].y * y[pair * params.k4 + i];
    }
    let at = group.y * params.k4 + i;
    if params.accumulate != 0u {
        sum += out[at];
    }
    out[at] = sum;
}
