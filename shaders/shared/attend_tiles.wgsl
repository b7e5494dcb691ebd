// One row's attention for up to QH query heads of one KV head, by a workgroup of 64 threads: online softmax over tiles
// of 64 cells. Four neighbouring threads read four cells together, 16 elements at a time, so that what they load lies
// side by side and 16 loads are under way at once; then a thread owns 4 elements of the output.
// Heads are written out one by one: some compilers keep what a loop indexes in memory.
#import shared/turns
const TILE: u32 = 64u;
// The queries; each head starts on a multiple of 16 vectors, and the gap is zero. Later the threads' partial outputs.
var<workgroup> q_tile: array<vec4<f32>, QH * 64u>;
// Weights of the tile's cells, a component a head; 0 past the last cell.
var<workgroup> p_tile: array<vec4<f32>, TILE>;

// What the cells add up to, a component a head: the largest score, and the sum of exp(score - largest).
// The weighted values themselves are in q_tile, for `attended`.
struct Attended {
    top: vec4<f32>,
    total: vec4<f32>,
}

// From where one head's queries are to the next's, in vectors.
fn q_row(dim4: u32) -> u32 {
    return (dim4 + 15u) & 112u;
}

// A quarter of 16 vectors of a cell, or of a query.
struct Quarter {
    a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>,
}

// Past the head's end a vector repeats: the query there is zero.
fn key(start: u32, i: u32, last: u32) -> Quarter {
    return Quarter(
        k4(start, min(i, last)),
        k4(start, min(i + 4u, last)),
        k4(start, min(i + 8u, last)),
        k4(start, min(i + 12u, last)),
    );
}

fn query(at: u32) -> Quarter {
    return Quarter(q_tile[at], q_tile[at + 4u], q_tile[at + 8u], q_tile[at + 12u]);
}

fn dots(k: Quarter, q: Quarter) -> f32 {
    return dot(k.a, q.a) + dot(k.b, q.b) + dot(k.c, q.c) + dot(k.d, q.d);
}

// The cells of a tile lie in up to three blocks: where each would begin if the tile's first block went on to it.
// A tile's cell is counted from the beginning of that block.
fn at(firsts: vec3<u32>, cell: u32, stride: u32) -> u32 {
    let first = select(select(firsts.z, firsts.y, cell < 2u * BLOCK), firsts.x, cell < BLOCK);
    return first + cell * stride;
}

// Value vector d4 of a tile's cell; past its end the last cell's, whose weight there is 0.
fn value(firsts: vec3<u32>, d4: u32, cell: u32, last: u32, stride: u32) -> vec4<f32> {
    return v4(at(firsts, min(cell, last), stride), d4);
}

fn weight(i: u32) -> vec4<f32> {
    return select(vec4<f32>(0.0), p_tile[min(i, TILE - 1u)], i < TILE);
}

// Positions begin..end of the row's sequence. A cell is `stride` elements, the KV head's from `base` on. The queries are in
// place; `slopes` are those of their heads.
fn attend(
    row: vec4<u32>,
    begin: u32,
    end: u32,
    base: u32,
    stride: u32,
    dim4: u32,
    slopes: vec4<f32>,
    lane: u32,
    lid: u32,
) -> Attended {
    // 64 threads cover the head's dim4 vectors `parts` times over; each takes every parts-th cell.
    let parts = 64u / dim4;
    let part = lid / dim4;
    let d4 = lid % dim4;
    let q_stride = q_row(dim4);
    // The cells that a quad reads are 16 apart; of them this thread gets one's score.
    let quad = lid / 4u;
    let own = quad + 16u * (lid & 3u);
    var acc0 = vec4<f32>(0.0);
    var acc1 = vec4<f32>(0.0);
    var acc2 = vec4<f32>(0.0);
    var acc3 = vec4<f32>(0.0);
    var top = vec4<f32>(LOWEST);
    var total = vec4<f32>(0.0);
    let tile_turns = turns(begin, end, TILE);
    for (var tile_turn = 0u; tile_turn < MOST_TURNS; tile_turn++) {
        if tile_turn >= tile_turns {
            break;
        }
        let tile = begin + tile_turn * TILE;
        let count = min(TILE, end - tile);
        let skipped = tile % BLOCK;
        let last = skipped + count - 1u;
        let blocks = vec3<u32>(
            block_cell(row, tile),
            block_cell(row, min(tile + BLOCK, tile + count - 1u)) - BLOCK,
            block_cell(row, min(tile + 2u * BLOCK, tile + count - 1u)) - 2u * BLOCK,
        );
        let firsts = blocks * stride + base;
        let at0 = at(firsts, min(skipped + quad, last), stride);
        let at1 = at(firsts, min(skipped + quad + 16u, last), stride);
        let at2 = at(firsts, min(skipped + quad + 32u, last), stride);
        let at3 = at(firsts, min(skipped + quad + 48u, last), stride);
        var s0 = vec4<f32>(0.0);
        var s1 = vec4<f32>(0.0);
        var s2 = vec4<f32>(0.0);
        var s3 = vec4<f32>(0.0);
        for (var sixteen = 0u; sixteen < 4u; sixteen++) {
            let i = (lid & 3u) + sixteen * 16u;
            if i >= q_stride {
                break;
            }
            let k0 = key(at0, i, dim4 - 1u);
            let k1 = key(at1, i, dim4 - 1u);
            let k2 = key(at2, i, dim4 - 1u);
            let k3 = key(at3, i, dim4 - 1u);
            let q0 = query(i);
            s0.x += dots(k0, q0);
            s1.x += dots(k1, q0);
            s2.x += dots(k2, q0);
            s3.x += dots(k3, q0);
            if QH > 1u {
                let q1 = query(q_stride + i);
                s0.y += dots(k0, q1);
                s1.y += dots(k1, q1);
                s2.y += dots(k2, q1);
                s3.y += dots(k3, q1);
            }
            if QH > 2u {
                let q2 = query(2u * q_stride + i);
                s0.z += dots(k0, q2);
                s1.z += dots(k1, q2);
                s2.z += dots(k2, q2);
                s3.z += dots(k3, q2);
            }
            if QH > 3u {
                let q3 = query(3u * q_stride + i);
                s0.w += dots(k0, q3);
                s1.w += dots(k1, q3);
                s2.w += dots(k2, q3);
                s3.w += dots(k3, q3);
            }
        }
        var score = capped(share_scores(s0, s1, s2, s3, lid)) - slopes * distance(row.y, tile + own);
        if own >= count {
            score = vec4<f32>(LOWEST);
        }
        let new_top = max(top, workgroup_max4(score, lid));
        let shrink = exp(top - new_top);
        top = new_top;
        var p = exp(score - top);
        if own >= count {
            p = vec4<f32>(0.0);
        }
        p_tile[own] = p;
        total = total * shrink + p;
        workgroupBarrier();
        if part < parts {
            acc0 *= shrink.x;
            acc1 *= shrink.y;
            acc2 *= shrink.z;
            acc3 *= shrink.w;
            let c_turns = turns(part, count, 8u * parts);
            for (var c_turn = 0u; c_turn < MOST_TURNS; c_turn++) {
                if c_turn >= c_turns {
                    break;
                }
                let c = part + c_turn * (8u * parts);
                let v0 = value(firsts, d4, skipped + c, last, stride);
                let v1 = value(firsts, d4, skipped + c + parts, last, stride);
                let v2 = value(firsts, d4, skipped + c + 2u * parts, last, stride);
                let v3 = value(firsts, d4, skipped + c + 3u * parts, last, stride);
                let v4 = value(firsts, d4, skipped + c + 4u * parts, last, stride);
                let v5 = value(firsts, d4, skipped + c + 5u * parts, last, stride);
                let v6 = value(firsts, d4, skipped + c + 6u * parts, last, stride);
                let v7 = value(firsts, d4, skipped + c + 7u * parts, last, stride);
                let p0 = weight(c);
                let p1 = weight(c + parts);
                let p2 = weight(c + 2u * parts);
                let p3 = weight(c + 3u * parts);
                let p4 = weight(c + 4u * parts);
                let p5 = weight(c + 5u * parts);
                let p6 = weight(c + 6u * parts);
                let p7 = weight(c + 7u * parts);
                acc0 += p0.x * v0 + p1.x * v1 + p2.x * v2 + p3.x * v3 +
                    p4.x * v4 + p5.x * v5 + p6.x * v6 + p7.x * v7;
                if QH > 1u {
                    acc1 += p0.y * v0 + p1.y * v1 + p2.y * v2 + p3.y * v3 +
                        p4.y * v4 + p5.y * v5 + p6.y * v6 + p7.y * v7;
                }
                if QH > 2u {
                    acc2 += p0.z * v0 + p1.z * v1 + p2.z * v2 + p3.z * v3 +
                        p4.z * v4 + p5.z * v5 + p6.z * v6 + p7.z * v7;
                }
                if QH > 3u {
                    acc3 += p0.w * v0 + p1.w * v1 + p2.w * v2 + p3.w * v3 +
                        p4.w * v4 + p5.w * v5 + p6.w * v6 + p7.w * v7;
                }
            }
        }
        workgroupBarrier();
    }
    total = workgroup_sum4(total, lid);
    q_tile[lid] = acc0;
    if QH > 1u {
        q_tile[64u + lid] = acc1;
    }
    if QH > 2u {
        q_tile[128u + lid] = acc2;
    }
    if QH > 3u {
        q_tile[192u + lid] = acc3;
    }
    workgroupBarrier();
    return Attended(top, total);
}

// Vector d4 of head h's weighted values, summed over the threads.
fn attended(h: u32, d4: u32, dim4: u32) -> vec4<f32> {
    var y = vec4<f32>(0.0);
    let p_end = 64u / dim4;
    for (var p = 0u; p < MOST_TURNS; p++) {
        if p >= p_end {
            break;
        }
        y += q_tile[h * 64u + p * dim4 + d4];
    }
    return y;
}
