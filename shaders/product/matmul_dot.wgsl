// Matrix-matrix product for prefill as in matmul_tile.wgsl, of integers: weights are bytes as they come out of
// the format, activations two planes of bytes each, or one, made by quantize.wgsl.
// Shapes: W [N][K] (one part of a matrix), x [M][K/32] records, bias [N of the whole matrix], out [M][out_stride].
// Grid: (ceil(M/ROWS), ceil(N/64)): neighbours share their rows of W. A workgroup makes 64 (N) by ROWS (M) results, a
// block of 32 along K at a time: 64 threads unpack a row's block each, 64 fetch x (the same ones where ROWS is 32), and
// then a thread multiplies 8 rows of W by 4 of x, in registers: 44 shared loads of 16 bytes for 512 instructions of
// four products each (with two planes). A result is one sum in the order of K, whatever ROWS is and wherever in a tile
// it lies.
// Mirror: crate/kernels/product/reference.rs
#import shared/turns
#import shared/matmul_io
#import formats/{format}
#import shared/dot
@group(0) @binding(2) var<storage, read> x: array<vec4<u32>>;

const THREADS: u32 = 2u * ROWS;
// Rows of x apart that a thread has: it takes every SPREADth, 4 of them.
const SPREAD: u32 = ROWS / 4u;
// Vectors of a block's planes.
const VECTORS: u32 = 2u * PLANES;

// Row r of W is at [r / 8][8 * half + r % 8], row r of x at [r / SPREAD][VECTORS * (r % SPREAD)]; there the vectors are
// permuted (`x_slot`), or rows would begin in the same bank.
var<workgroup> w_tile: array<array<vec4<u32>, 16>, 8>;
var<workgroup> w_scale: array<array<vec4<f32>, 8>, 8>;
var<workgroup> x_tile: array<array<vec4<u32>, SPREAD * VECTORS>, 4>;
var<workgroup> x_scale: array<array<vec4<f32>, SPREAD>, 4>;

fn x_slot(row: u32, i: u32) -> u32 {
    return row * VECTORS + (i ^ (row & (VECTORS - 1u)));
}

// Brings a block into row `r` of the tile.
fn stage_w(r: u32, w: Packed) {
    w_tile[r / 8u][r % 8u] = vec4<u32>(w.q0, w.q1, w.q2, w.q3);
    w_tile[r / 8u][8u + r % 8u] = vec4<u32>(w.q4, w.q5, w.q6, w.q7);
    w_scale[r / 8u][r % 8u] = vec4<f32>(w.scale, w.offset);
}

// Where the record of block `kb` of row `r` starts. Rows past the end repeat the last one.
fn record(r: u32, kb: u32) -> u32 {
    return (min(r, params.m - 1u) * params.k_blocks + kb) * (1u + VECTORS);
}

// What a thread fetches of a block of x: neighbouring threads neighbouring vectors of a row, every APARTth row of them.
const APART: u32 = 64u / VECTORS;
const FETCHED: u32 = ROWS / APART;
struct Fetched {
    scale: vec4<u32>,
    v0: vec4<u32>, v1: vec4<u32>, v2: vec4<u32>, v3: vec4<u32>,
}

fn fetch_x(thread: u32, m: u32, kb: u32) -> Fetched {
    let at = 1u + thread % VECTORS;
    let r = m + thread / VECTORS;
    var f: Fetched;
    f.scale = x[record(m + min(thread, ROWS - 1u), kb)];
    f.v0 = x[record(r, kb) + at];
    if FETCHED > 1u {
        f.v1 = x[record(r + APART, kb) + at];
    }
    if FETCHED > 2u {
        f.v2 = x[record(r + 2u * APART, kb) + at];
        f.v3 = x[record(r + 3u * APART, kb) + at];
    }
    return f;
}

fn put_x(thread: u32, place: u32, v: vec4<u32>) {
    let r = thread / VECTORS + place * APART;
    x_tile[r / SPREAD][x_slot(r % SPREAD, thread % VECTORS)] = v;
}

fn stage_x(thread: u32, f: Fetched) {
    if thread < ROWS {
        x_scale[thread / SPREAD][thread % SPREAD] = bitcast<vec4<f32>>(f.scale);
    }
    put_x(thread, 0u, f.v0);
    if FETCHED > 1u {
        put_x(thread, 1u, f.v1);
    }
    if FETCHED > 2u {
        put_x(thread, 2u, f.v2);
        put_x(thread, 3u, f.v3);
    }
}

fn staged(j: u32, row: u32) -> Integers {
    let none = vec4<u32>(0u);
    var q = Integers(x_tile[j][x_slot(row, 0u)], x_tile[j][x_slot(row, 1u)], none, none, x_scale[j][row]);
    if PLANES == 2u {
        q.lo0 = x_tile[j][x_slot(row, 2u)];
        q.lo1 = x_tile[j][x_slot(row, 3u)];
    }
    return q;
}

// Adds a block to a row's four sums.
fn step(sums: vec4<f32>, i: u32, row: u32, a: Integers, b: Integers, c: Integers, d: Integers) -> vec4<f32> {
    let w0 = w_tile[i][row];
    let w1 = w_tile[i][8u + row];
    let scale = w_scale[i][row];
    return vec4<f32>(
        product(w0, w1, scale, a, sums.x), product(w0, w1, scale, b, sums.y),
        product(w0, w1, scale, c, sums.z), product(w0, w1, scale, d, sums.w),
    );
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let m = group.x * ROWS;
    let n = group.y * 64u;
    // Rows past the end repeat the last one; they are not stored.
    let block0 = min(n + (lid & 63u), params.n - 1u) * params.k_blocks;
    let w_row = lid % 8u;
    let x_row = lid / 8u;
    var sums0 = vec4<f32>(0.0);
    var sums1 = vec4<f32>(0.0);
    var sums2 = vec4<f32>(0.0);
    var sums3 = vec4<f32>(0.0);
    var sums4 = vec4<f32>(0.0);
    var sums5 = vec4<f32>(0.0);
    var sums6 = vec4<f32>(0.0);
    var sums7 = vec4<f32>(0.0);
    // The next block is on its way while this one is multiplied: nothing is done with it before.
    var w: Raw;
    var f: Fetched;
    if lid < 64u {
        w = fetch(block0);
    }
    if lid >= THREADS - 64u {
        f = fetch_x(lid & 63u, m, 0u);
    }
    let kb_end = params.k_blocks;
    for (var kb = 0u; kb < MOST_TURNS; kb++) {
        if kb >= kb_end {
            break;
        }
        let next = min(kb + 1u, params.k_blocks - 1u);
        if lid < 64u {
            stage_w(lid, unpack(w, block0 + kb));
            w = fetch(block0 + next);
        }
        if lid >= THREADS - 64u {
            stage_x(lid & 63u, f);
            f = fetch_x(lid & 63u, m, next);
        }
        workgroupBarrier();
        let x0 = staged(0u, x_row);
        let x1 = staged(1u, x_row);
        let x2 = staged(2u, x_row);
        let x3 = staged(3u, x_row);
        sums0 = step(sums0, 0u, w_row, x0, x1, x2, x3);
        sums1 = step(sums1, 1u, w_row, x0, x1, x2, x3);
        sums2 = step(sums2, 2u, w_row, x0, x1, x2, x3);
        sums3 = step(sums3, 3u, w_row, x0, x1, x2, x3);
        sums4 = step(sums4, 4u, w_row, x0, x1, x2, x3);
        sums5 = step(sums5, 5u, w_row, x0, x1, x2, x3);
        sums6 = step(sums6, 6u, w_row, x0, x1, x2, x3);
        sums7 = step(sums7, 7u, w_row, x0, x1, x2, x3);
        workgroupBarrier();
    }
    // A loop, not 32 copies of the branches: it is compiled once.
    var sums = array<vec4<f32>, 8>(sums0, sums1, sums2, sums3, sums4, sums5, sums6, sums7);
    for (var i = 0u; i < 32u; i++) {
        let row = n + w_row + 8u * (i % 8u);
        let column = m + x_row + SPREAD * (i / 8u);
        if row < params.n && column < params.m {
            put(column, row, params.scale * sums[i % 8u][i / 8u]);
        }
    }
}
