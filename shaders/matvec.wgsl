// Matrix-vector product for decode and batches of a few rows:
//   out[r][column + n] = W[n] . x[r]  (+ bias[n])      or, with accumulate,  out += ...
// Shapes: W [N][K] (one part of a matrix), x [R][K], bias [N of the whole matrix], out [R][out_stride]; K % 32 == 0.
// Grid: (ceil(N/16), R). 16 threads share a group of 4 rows and stride over their blocks of 32 weights:
// neighbouring threads load neighbouring 16 bytes, and x is read once for the 4 rows.
// Mirror: crate/cpu/matmul.rs
struct Params {
    planes: vec4<u32>,
    n: u32,
    k_blocks: u32,
    out_stride: u32,
    column: u32,
    has_bias: u32,
    accumulate: u32,
    m: u32,
}
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;
#import shared/weights
#import formats/{format}
#import shared/reduce_{reduce}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let first = group.x * 16u + (lid / 16u) * 4u;
    // Rows past the end repeat the last one, so that every thread stays in step; they are not stored.
    let last = params.n - 1u;
    let row = min(vec4<u32>(first, first + 1u, first + 2u, first + 3u), vec4<u32>(last)) * params.k_blocks;
    let x_row = group.y * params.k_blocks;
    var acc = vec4<f32>(0.0);
    for (var kb = lid % 16u; kb < params.k_blocks; kb += 16u) {
        let at = (x_row + kb) * 8u;
        let x0 = x[at];
        let x1 = x[at + 1u];
        let x2 = x[at + 2u];
        let x3 = x[at + 3u];
        let x4 = x[at + 4u];
        let x5 = x[at + 5u];
        let x6 = x[at + 6u];
        let x7 = x[at + 7u];
        var sums = vec2<f32>(0.0);
        if HAS_OFFSET {
            let ones = vec4<f32>(1.0);
            sums = vec2<f32>(dot(x0 + x1 + x2 + x3, ones), dot(x4 + x5 + x6 + x7, ones));
        }
        for (var r = 0u; r < 4u; r++) {
            let w = load_block(row[r] + kb);
            let low = dot(w.v0, x0) + dot(w.v1, x1) + dot(w.v2, x2) + dot(w.v3, x3);
            let high = dot(w.v4, x4) + dot(w.v5, x5) + dot(w.v6, x6) + dot(w.v7, x7);
            acc[r] += dot(w.scale, vec2<f32>(low, high)) + dot(w.offset, sums);
        }
    }
    let total = sum16(acc, lid);
    if lid % 16u == 0u {
        for (var r = 0u; r < 4u; r++) {
            let n = first + r;
            if n < params.n {
                let at = group.y * params.out_stride + params.column + n;
                var y = total[r];
                if params.has_bias != 0u {
                    y += bias[params.column + n];
                }
                if params.accumulate != 0u {
                    y += out[at];
                }
                out[at] = y;
            }
        }
    }
}
