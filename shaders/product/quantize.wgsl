// Rows of activations as integers, for matmul_dot.wgsl: see shared/quantize.wgsl.
// Shapes: x [R][K], out [R][K/32] records of a vector (d, and d times the sum of v over each half and both) and the planes, two
// vectors each. Grid: (ceil(K/32 / 64), R), a thread a block.  Mirror: crate/kernels/product/integers.rs
struct Params {
    // Blocks of 32 in a row.
    k_blocks: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<u32>>;
@group(0) @binding(2) var<uniform> params: Params;
#import shared/quantize

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let kb = group.x * 64u + lid;
    if kb >= params.k_blocks {
        return;
    }
    let block = group.y * params.k_blocks + kb;
    let at = block * 8u;
    let q = quantize(x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]);
    let to = block * (1u + 2u * PLANES);
    out[to] = bitcast<vec4<u32>>(q.scale);
    out[to + 1u] = q.hi0;
    out[to + 2u] = q.hi1;
    if PLANES == 2u {
        out[to + 3u] = q.lo0;
        out[to + 4u] = q.lo1;
    }
}
