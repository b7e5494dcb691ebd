// Rows with zeros behind them:  out[r][i] = x[r][i], or 0 where x has no i
// Shapes: x [R][N], out [R][M]; N <= M, N % 4 == 0, M % 4 == 0.
// Grid: (ceil(M/4 / 64), R), a thread 4 elements.  On the CPU: crate/kernels/elementwise/fill_up.rs
struct Params {
    // N / 4.
    length4: u32,
    // M / 4.
    room4: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let i = group.x * 64u + lid;
    if i >= params.room4 {
        return;
    }
    var v = vec4<f32>(0.0);
    if i < params.length4 {
        v = x[group.y * params.length4 + i];
    }
    out[group.y * params.room4 + i] = v;
}
