// A gate on a piece of rows of another length:  out[r][i] = gate(x[r][i]) * y[r][first + i],   gelu by its tanh formula or sigmoid
// Shapes: x [R][N], y [R][stride], out [R][N]; N, first and the stride are multiples of 4.
// Grid: (ceil(N/4 / 64), R), a thread 4 elements.  On the CPU: crate/kernels/elementwise/gate_by.rs
struct Params {
    // N / 4.
    n4: u32,
    // Length of a row of y / 4.
    stride4: u32,
    // Where the piece begins / 4.
    first4: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> params: Params;
#import shared/op_{gate}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let i = group.x * 64u + lid;
    if i >= params.n4 {
        return;
    }
    let at = group.y * params.n4 + i;
    out[at] = op(x[at], y[group.y * params.stride4 + params.first4 + i]);
}
