// Matrix-matrix product for prefill:
//   out[m][column + n] = W[n] . x[m]  (+ bias[n])      or, with accumulate,  out += ...
// Shapes: W [N][K] (one part of a matrix), x [M][K], bias [N of the whole matrix], out [M][out_stride]; K % 32 == 0.
// Grid: (ceil(N/64), ceil(M/(8*TM))). A workgroup makes a tile of 64 weights' rows by 8*TM batch rows; each of its
// 64 threads holds 8 by TM of it. Per step of 32 along K, a thread dequantises one block into shared memory, where
// rows are swizzled so that reads down a column fall into different banks.
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
#import shared/tile_{tile}

var<workgroup> w_tile: array<Tile, 512>;
var<workgroup> x_tile: array<vec4<f32>, TM * 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let n0 = group.x * 64u;
    let m0 = group.y * 8u * TM;
    let tx = lid % 8u;
    let ty = lid / 8u;
    // Columns past the end repeat the last one; they are not stored.
    let w_row = min(n0 + lid, params.n - 1u) * params.k_blocks;
    let w_at = lid * 8u;
    let swizzle = lid & 7u;
    var acc: array<array<f32, 8>, TM>;
    for (var kb = 0u; kb < params.k_blocks; kb++) {
        let w = load_block(w_row + kb);
        w_tile[w_at + (0u ^ swizzle)] = Tile(w.scale.x * w.v0 + w.offset.x);
        w_tile[w_at + (1u ^ swizzle)] = Tile(w.scale.x * w.v1 + w.offset.x);
        w_tile[w_at + (2u ^ swizzle)] = Tile(w.scale.x * w.v2 + w.offset.x);
        w_tile[w_at + (3u ^ swizzle)] = Tile(w.scale.x * w.v3 + w.offset.x);
        w_tile[w_at + (4u ^ swizzle)] = Tile(w.scale.y * w.v4 + w.offset.y);
        w_tile[w_at + (5u ^ swizzle)] = Tile(w.scale.y * w.v5 + w.offset.y);
        w_tile[w_at + (6u ^ swizzle)] = Tile(w.scale.y * w.v6 + w.offset.y);
        w_tile[w_at + (7u ^ swizzle)] = Tile(w.scale.y * w.v7 + w.offset.y);
        for (var j = 0u; j < TM; j++) {
            let m = ty + 8u * j;
            var v = vec4<f32>(0.0);
            if m0 + m < params.m {
                v = x[((m0 + m) * params.k_blocks + kb) * 8u + tx];
            }
            x_tile[m * 8u + (tx ^ ty)] = v;
        }
        workgroupBarrier();
        for (var k = 0u; k < 8u; k++) {
            var wk: array<vec4<f32>, 8>;
            for (var i = 0u; i < 8u; i++) {
                wk[i] = vec4<f32>(w_tile[(tx + 8u * i) * 8u + (k ^ tx)]);
            }
            for (var j = 0u; j < TM; j++) {
                let xk = x_tile[(ty + 8u * j) * 8u + (k ^ ty)];
                for (var i = 0u; i < 8u; i++) {
                    acc[j][i] += dot(wk[i], xk);
                }
            }
        }
        workgroupBarrier();
    }
    for (var j = 0u; j < TM; j++) {
        let m = m0 + ty + 8u * j;
        for (var i = 0u; i < 8u; i++) {
            let n = n0 + tx + 8u * i;
            if m < params.m && n < params.n {
                let at = m * params.out_stride + params.column + n;
                var y = acc[j][i];
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
