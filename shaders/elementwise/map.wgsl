// An operation on the halves of each row, number by number:  out[r][i] = op(x[r][i], x[r][N + i])
//   silu_glu, gelu_glu: gated activations (Shazeer 2020), op(gate, up) = act(gate) * up
// Shapes: x [R][2*N], out [R][N]; N % 4 == 0.
// Grid: (ceil(N/4 / 64), R), a thread 4 elements.  On the CPU: crate/kernels/elementwise/mod.rs
struct Params {
    // N / 4.
    n4: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;
#import shared/op_{op}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let i = group.x * 64u + lid;
    if i >= params.n4 {
        return;
    }
    let a = x[group.y * 2u * params.n4 + i];
    let b = x[group.y * 2u * params.n4 + params.n4 + i];
    out[group.y * params.n4 + i] = op(a, b);
}
