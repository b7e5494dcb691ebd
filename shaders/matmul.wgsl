// Matrix-matrix product for prefill on software adapters (GPUs take matmul_tile.wgsl):
//   out[m][column + n] = W[n] . x[m]  (+ bias[n])      or, with accumulate,  out += ...
// Shapes: W [N][K] (one part of a matrix), x [M][K], bias [N of the whole matrix], out [M][out_stride]; K % 32 == 0.
// Grid: (ceil(N/128), ceil(M/16)). A thread owns 8 rows of W and 16 rows of x: it dequantises each of its weights once,
// into registers, and uses it 16 times; each activation it gets serves 8 rows. All threads want the same activations
// at the same time, so nothing is staged in shared memory and there is no barrier.
// Mirror: crate/cpu/matmul.rs
#import shared/matmul_io
#import formats/{format}

#import shared/x_{x}

// 16 elements along K, of a row of x or of W.
struct V16 {
    a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>,
}

// Half a block of two rows of x.
struct X2 {
    row0: V16,
    row1: V16,
}

fn dot16(v: V16, w: V16) -> f32 {
    return dot(v.a, w.a) + dot(v.b, w.b) + dot(v.c, w.c) + dot(v.d, w.d);
}

fn low(w: Block) -> V16 {
    return V16(w.scale.x * w.v0 + w.offset.x, w.scale.x * w.v1 + w.offset.x, w.scale.x * w.v2 + w.offset.x, w.scale.x * w.v3 + w.offset.x);
}

fn high(w: Block) -> V16 {
    return V16(w.scale.y * w.v4 + w.offset.y, w.scale.y * w.v5 + w.offset.y, w.scale.y * w.v6 + w.offset.y, w.scale.y * w.v7 + w.offset.y);
}

// Half a block of four of the thread's rows of W.
struct W4 {
    r0: V16, r1: V16, r2: V16, r3: V16,
}

// The same of all eight.
struct W8 {
    even: W4,
    odd: W4,
}

fn dots(v: V16, w: W4) -> vec4<f32> {
    return vec4<f32>(dot16(v, w.r0), dot16(v, w.r1), dot16(v, w.r2), dot16(v, w.r3));
}

// Sums of two rows of x: two vectors over the 8 rows of W for each.
struct Sums {
    row0: vec4<f32>,
    row0_odd: vec4<f32>,
    row1: vec4<f32>,
    row1_odd: vec4<f32>,
}

fn add(sums: Sums, v: X2, w: W8) -> Sums {
    return Sums(
        sums.row0 + dots(v.row0, w.even), sums.row0_odd + dots(v.row0, w.odd),
        sums.row1 + dots(v.row1, w.even), sums.row1_odd + dots(v.row1, w.odd),
    );
}

fn store(m: u32, n: u32, y: vec4<f32>) {
    for (var r = 0u; r < 4u; r++) {
        let row = n + 32u * r;
        if row < params.n {
            put(m, row, y[r]);
        }
    }
}

// Where row m of x starts; rows past the end repeat the last one and are not stored.
fn x_start(m: u32) -> u32 {
    return min(m, params.m - 1u) * params.k_blocks * 8u;
}

@compute @workgroup_size(16)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lid: u32,
    caller: Caller,
) {
    let lane = caller_lane(caller);
    let n = group.x * 128u + lid;
    let m = group.y * 16u;
    // Rows past the end repeat the last one; they are not stored.
    let step = vec4<u32>(0u, 32u, 64u, 96u);
    let even = min(vec4<u32>(n) + step, vec4<u32>(params.n - 1u)) * params.k_blocks;
    let odd = min(vec4<u32>(n + 16u) + step, vec4<u32>(params.n - 1u)) * params.k_blocks;
    let x0 = x_start(m + 0u);
    let x1 = x_start(m + 1u);
    let x2 = x_start(m + 2u);
    let x3 = x_start(m + 3u);
    let x4 = x_start(m + 4u);
    let x5 = x_start(m + 5u);
    let x6 = x_start(m + 6u);
    let x7 = x_start(m + 7u);
    let x8 = x_start(m + 8u);
    let x9 = x_start(m + 9u);
    let x10 = x_start(m + 10u);
    let x11 = x_start(m + 11u);
    let x12 = x_start(m + 12u);
    let x13 = x_start(m + 13u);
    let x14 = x_start(m + 14u);
    let x15 = x_start(m + 15u);
    var sums0: Sums;
    var sums1: Sums;
    var sums2: Sums;
    var sums3: Sums;
    var sums4: Sums;
    var sums5: Sums;
    var sums6: Sums;
    var sums7: Sums;
    for (var kb = 0u; kb < params.k_blocks; kb++) {
        let w0 = load_block(even.x + kb);
        let w1 = load_block(even.y + kb);
        let w2 = load_block(even.z + kb);
        let w3 = load_block(even.w + kb);
        let w4 = load_block(odd.x + kb);
        let w5 = load_block(odd.y + kb);
        let w6 = load_block(odd.z + kb);
        let w7 = load_block(odd.w + kb);
        let first = W8(W4(low(w0), low(w1), low(w2), low(w3)), W4(low(w4), low(w5), low(w6), low(w7)));
        let at = kb * 8u;
        sums0 = add(sums0, x_rows(x0 + at, x1 + at, lane), first);
        sums1 = add(sums1, x_rows(x2 + at, x3 + at, lane), first);
        sums2 = add(sums2, x_rows(x4 + at, x5 + at, lane), first);
        sums3 = add(sums3, x_rows(x6 + at, x7 + at, lane), first);
        sums4 = add(sums4, x_rows(x8 + at, x9 + at, lane), first);
        sums5 = add(sums5, x_rows(x10 + at, x11 + at, lane), first);
        sums6 = add(sums6, x_rows(x12 + at, x13 + at, lane), first);
        sums7 = add(sums7, x_rows(x14 + at, x15 + at, lane), first);
        let second = W8(W4(high(w0), high(w1), high(w2), high(w3)), W4(high(w4), high(w5), high(w6), high(w7)));
        let middle = at + 4u;
        sums0 = add(sums0, x_rows(x0 + middle, x1 + middle, lane), second);
        sums1 = add(sums1, x_rows(x2 + middle, x3 + middle, lane), second);
        sums2 = add(sums2, x_rows(x4 + middle, x5 + middle, lane), second);
        sums3 = add(sums3, x_rows(x6 + middle, x7 + middle, lane), second);
        sums4 = add(sums4, x_rows(x8 + middle, x9 + middle, lane), second);
        sums5 = add(sums5, x_rows(x10 + middle, x11 + middle, lane), second);
        sums6 = add(sums6, x_rows(x12 + middle, x13 + middle, lane), second);
        sums7 = add(sums7, x_rows(x14 + middle, x15 + middle, lane), second);
    }
    // A loop, not sixteen copies of the branches: it is compiled once.
    var sums = array<Sums, 8>(sums0, sums1, sums2, sums3, sums4, sums5, sums6, sums7);
    for (var i = 0u; i < min(16u, params.m - m); i += 2u) {
        let pair = sums[i / 2u];
        store(m + i, n, pair.row0);
        store(m + i, n + 16u, pair.row0_odd);
        if i + 1u < params.m - m {
            store(m + i + 1u, n, pair.row1);
            store(m + i + 1u, n + 16u, pair.row1_odd);
        }
    }
}
