// Matrix products by tiles of ROWS rows of x: the kernels matmul_tile.wgsl and matmul_experts.wgsl, which say
//   open_tile(number, lid): whether there is such a tile;   first_row(): its first row of W;
//   x_row(r): the row of x that is its row r, one that there is;   put_tile(r, n, sum): where a result goes.
const THREADS: u32 = 2u * min(ROWS, 64u);
// Rows of x apart that a thread has: it takes every SPREADth, EACH of them.
const SPREAD: u32 = THREADS / 8u;
const EACH: u32 = ROWS / SPREAD;
const WIDE: bool = EACH == 8u;
// Pieces of a block in which x is staged, and the vectors of a row in a piece.
const PIECES: u32 = EACH / 4u;
const PIECE: u32 = 8u / PIECES;

// Row r of W is at [r / 8][8 * (r % 8)], row r of x at [r / SPREAD][PIECE * (r % SPREAD)]: the outer index is a constant
// where the products are made, so that one inner index (and one bounds check) serves all of a thread's rows.
// Within a row the vectors are permuted (`w_slot`, `x_slot`), or rows would begin in the same bank.
var<workgroup> w_tile: array<array<vec4<f32>, 64>, 8>;
var<workgroup> x_tile: array<array<vec4<f32>, PIECE * SPREAD>, EACH>;

fn w_slot(row: u32, k4: u32) -> u32 {
    return row * 8u + (k4 ^ (row & 7u));
}

fn x_slot(row: u32, i: u32) -> u32 {
    return row * PIECE + (i ^ ((row / PIECES) & (PIECE - 1u)));
}

// Dequantises block `b` into row `r` of the tile.
fn stage_w(r: u32, b: u32) {
    let w = load_block(b);
    let i = r / 8u;
    let row = r % 8u;
    w_tile[i][w_slot(row, 0u)] = w.scale.x * w.v0 + w.offset.x;
    w_tile[i][w_slot(row, 1u)] = w.scale.x * w.v1 + w.offset.x;
    w_tile[i][w_slot(row, 2u)] = w.scale.x * w.v2 + w.offset.x;
    w_tile[i][w_slot(row, 3u)] = w.scale.x * w.v3 + w.offset.x;
    w_tile[i][w_slot(row, 4u)] = w.scale.y * w.v4 + w.offset.y;
    w_tile[i][w_slot(row, 5u)] = w.scale.y * w.v5 + w.offset.y;
    w_tile[i][w_slot(row, 6u)] = w.scale.y * w.v6 + w.offset.y;
    w_tile[i][w_slot(row, 7u)] = w.scale.y * w.v7 + w.offset.y;
}

// Neighbouring threads fetch neighbouring vectors of a row of x: a piece of block `kb`.
fn stage_x(thread: u32, kb: u32, piece: u32) {
    let i = thread % PIECE;
    for (var r_turn = 0u; r_turn < ROWS * PIECE / 64u; r_turn++) {
        let r = thread / PIECE + r_turn * (64u / PIECE);
        x_tile[r / SPREAD][x_slot(r % SPREAD, i)] = x[(x_row(r) * params.k_blocks + kb) * 8u + piece * PIECE + i];
    }
}

// 4 rows of x at 4 steps of K: a vector over the rows for each step.
struct X4 {
    k0: vec4<f32>, k1: vec4<f32>, k2: vec4<f32>, k3: vec4<f32>,
}

fn by_step(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) -> X4 {
    return X4(
        vec4<f32>(a.x, b.x, c.x, d.x),
        vec4<f32>(a.y, b.y, c.y, d.y),
        vec4<f32>(a.z, b.z, c.z, d.z),
        vec4<f32>(a.w, b.w, c.w, d.w),
    );
}

// One fused multiply-add for each product.
fn add(sums: vec4<f32>, w: vec4<f32>, v: X4) -> vec4<f32> {
    return sums + w.x * v.k0 + w.y * v.k1 + w.z * v.k2 + w.w * v.k3;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    if !open_tile(group.x, lid) {
        return;
    }
    let n = group.y * 64u;
    // Rows past the end repeat the last one; they are not stored.
    let block0 = (first_row() + min(n + (lid & 63u), params.n - 1u)) * params.k_blocks;
    let w_row = lid % 8u;
    let own_row = lid / 8u;
    var sums0 = vec4<f32>(0.0);
    var sums1 = vec4<f32>(0.0);
    var sums2 = vec4<f32>(0.0);
    var sums3 = vec4<f32>(0.0);
    var sums4 = vec4<f32>(0.0);
    var sums5 = vec4<f32>(0.0);
    var sums6 = vec4<f32>(0.0);
    var sums7 = vec4<f32>(0.0);
    // Where a thread has 8 rows of x, the sums of the other 4.
    var more0 = vec4<f32>(0.0);
    var more1 = vec4<f32>(0.0);
    var more2 = vec4<f32>(0.0);
    var more3 = vec4<f32>(0.0);
    var more4 = vec4<f32>(0.0);
    var more5 = vec4<f32>(0.0);
    var more6 = vec4<f32>(0.0);
    var more7 = vec4<f32>(0.0);
    let kb_end = params.k_blocks;
    for (var kb = 0u; kb < MOST_TURNS; kb++) {
        if kb >= kb_end {
            break;
        }
        if lid < 64u {
            stage_w(lid, block0 + kb);
        }
        for (var piece = 0u; piece < PIECES; piece++) {
            if lid >= THREADS - 64u {
                stage_x(lid & 63u, kb, piece);
            }
            workgroupBarrier();
            for (var i = 0u; i < PIECE; i++) {
                let xi = x_slot(own_row, i);
                let wi = w_slot(w_row, piece * PIECE + i);
                let w0 = w_tile[0][wi];
                let w1 = w_tile[1][wi];
                let w2 = w_tile[2][wi];
                let w3 = w_tile[3][wi];
                let w4 = w_tile[4][wi];
                let w5 = w_tile[5][wi];
                let w6 = w_tile[6][wi];
                let w7 = w_tile[7][wi];
                let v = by_step(x_tile[0][xi], x_tile[1][xi], x_tile[2][xi], x_tile[3][xi]);
                sums0 = add(sums0, w0, v);
                sums1 = add(sums1, w1, v);
                sums2 = add(sums2, w2, v);
                sums3 = add(sums3, w3, v);
                sums4 = add(sums4, w4, v);
                sums5 = add(sums5, w5, v);
                sums6 = add(sums6, w6, v);
                sums7 = add(sums7, w7, v);
                if WIDE {
                    let u = by_step(x_tile[EACH - 4u][xi], x_tile[EACH - 3u][xi], x_tile[EACH - 2u][xi], x_tile[EACH - 1u][xi]);
                    more0 = add(more0, w0, u);
                    more1 = add(more1, w1, u);
                    more2 = add(more2, w2, u);
                    more3 = add(more3, w3, u);
                    more4 = add(more4, w4, u);
                    more5 = add(more5, w5, u);
                    more6 = add(more6, w6, u);
                    more7 = add(more7, w7, u);
                }
            }
            workgroupBarrier();
        }
    }
    // A loop, not 32 copies of the branches: it is compiled once.
    var sums = array<vec4<f32>, 16>(
        sums0, sums1, sums2, sums3, sums4, sums5, sums6, sums7,
        more0, more1, more2, more3, more4, more5, more6, more7,
    );
    for (var i = 0u; i < 8u * EACH; i++) {
        let row = n + w_row + 8u * (i % 8u);
        if row < params.n {
            put_tile(own_row + SPREAD * (i / 8u), row, sums[i % 8u + 8u * (i / 32u)][i / 8u % 4u]);
        }
    }
}
