// Rows times a number that the file has, in place:  x[r][i] *= scale[0]
// Shapes: x [R][N]; N % 4 == 0.
// Grid: (ceil(N/4 / 64), R), a thread 4 elements.  On the CPU: crate/kernels/elementwise/scale_by.rs
struct Params {
    // N / 4.
    n4: u32,
}
@group(0) @binding(0) var<storage, read> scale: array<f32>;
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let i = group.x * 64u + lid;
    if i < params.n4 {
        x[group.y * params.n4 + i] *= scale[0];
    }
}
