// NAME: the formula, with its source (a paper).  out[r][i] = x[r][i]
// Shapes: x [R][N], out [R][N]; N % 4 == 0.
// Grid: (ceil(N/4 / 64), R), a thread 4 elements.  On the CPU: crate/kernels/FAMILY/NAME.rs
struct Params {
    // N / 4.
    n4: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let i = group.x * 64u + lid;
    if i >= params.n4 {
        return;
    }
    let at = group.y * params.n4 + i;
    out[at] = x[at];
}
