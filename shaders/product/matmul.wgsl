// Matrix-matrix product for prefill on software adapters (GPUs take matmul_tile.wgsl):
//   out[m][column + n] = W[n] . x[m]  (+ bias[n])      or, with accumulate,  out += ...
// Shapes: W [N][K] (one part of a matrix), x [M][K], bias [N of the whole matrix], out [M][out_stride]; K % 32 == 0.
// Grid: (ceil(M/16), ceil(N/128)). A thread owns 8 rows of W and 16 rows of x: it dequantises each of its weights once,
// into registers, and uses it 16 times; each activation it gets serves 8 rows. All threads want the same activations
// at the same time, so nothing is staged in shared memory and there is no barrier.
// Mirror: crate/kernels/product/reference.rs
#import shared/turns
#import shared/matmul_io
#import formats/{format}
#import shared/share_{x}
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

fn x_vector(start: u32, i: u32) -> vec4<f32> {
    return x[start + i];
}

fn dequantised(w: Block) -> X32 {
    let a = w.scale.x;
    let b = w.scale.y;
    let c = w.offset.x;
    let d = w.offset.y;
    return X32(a * w.v0 + c, a * w.v1 + c, a * w.v2 + c, a * w.v3 + c, b * w.v4 + d, b * w.v5 + d, b * w.v6 + d, b * w.v7 + d);
}

fn dot32(v: X32, w: X32) -> f32 {
    return dot(v.v0, w.v0) + dot(v.v1, w.v1) + dot(v.v2, w.v2) + dot(v.v3, w.v3) +
        dot(v.v4, w.v4) + dot(v.v5, w.v5) + dot(v.v6, w.v6) + dot(v.v7, w.v7);
}

fn dots(v: X32, w0: X32, w1: X32, w2: X32, w3: X32) -> vec4<f32> {
    return vec4<f32>(dot32(v, w0), dot32(v, w1), dot32(v, w2), dot32(v, w3));
}

@compute @workgroup_size(16)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lid: u32,
    caller: Caller,
) {
    let lane = caller_lane(caller);
    // The thread's rows of W are 16 apart.
    let n = group.y * 128u + lid;
    let m = group.x * 16u;
    let count = min(16u, params.m - m);
    // Loops, not copies: the compilers of software adapters take seconds over long code.
    var w: array<X32, 8>;
    var sums: array<vec4<f32>, 32>;
    let kb_end = params.k_blocks;
    for (var kb = 0u; kb < MOST_TURNS; kb++) {
        if kb >= kb_end {
            break;
        }
        for (var r = 0u; r < 8u; r++) {
            // Rows past the end repeat the last one; they are not stored.
            w[r] = dequantised(load_block(min(n + 16u * r, params.n - 1u) * params.k_blocks + kb));
        }
        let w0 = w[0];
        let w1 = w[1];
        let w2 = w[2];
        let w3 = w[3];
        let w4 = w[4];
        let w5 = w[5];
        let w6 = w[6];
        let w7 = w[7];
        for (var i = 0u; i < MOST_TURNS; i++) {
            if i >= count {
                break;
            }
            let v = x_block((m + i) * params.k_blocks * 8u, kb * 8u, lane);
            sums[2u * i] += dots(v, w0, w1, w2, w3);
            sums[2u * i + 1u] += dots(v, w4, w5, w6, w7);
        }
    }
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= count {
            break;
        }
        for (var r = 0u; r < 8u; r++) {
            let row = n + 16u * r;
            if row < params.n {
                put(m + i, row, params.scale * sums[2u * i + r / 4u][r % 4u]);
            }
        }
    }
}
