#import shared/turns
#import shared/q_quad
// One row's attention for up to QH query heads of one KV head, by a workgroup of 64 threads, as software adapters like
// it: online softmax over tiles of 256 cells. A thread scores whole cells, then owns 4 elements of the output.
struct Q4 {
    a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>,
}

const TILE: u32 = 256u;
// The queries; each head starts on a multiple of 4 vectors, and the gap is zero. Later the threads' partial outputs.
var<workgroup> q_tile: array<vec4<f32>, QH * 64u>;
var<workgroup> p_tile: array<vec4<f32>, TILE>;

// What the cells add up to, a component a head: the largest score, and the sum of exp(score - largest).
// The weighted values themselves are in q_tile, for `attended`.
struct Attended {
    top: vec4<f32>,
    total: vec4<f32>,
}

// From where one head's queries are to the next's, in vectors.
fn q_row(dim4: u32) -> u32 {
    return (dim4 + 3u) & 124u;
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
    var acc: array<vec4<f32>, QH>;
    var top = vec4<f32>(LOWEST);
    var weight = vec4<f32>(0.0);
    let tile_turns = turns(begin, end, TILE);
    for (var tile_turn = 0u; tile_turn < MOST_TURNS; tile_turn++) {
        if tile_turn >= tile_turns {
            break;
        }
        let tile = begin + tile_turn * TILE;
        let count = min(TILE, end - tile);
        var tile_top = vec4<f32>(LOWEST);
        let first_turns = turns(0u, count, 64u);
        for (var first_turn = 0u; first_turn < MOST_TURNS; first_turn++) {
            if first_turn >= first_turns {
                break;
            }
            let first = first_turn * 64u;
            // Threads past the end repeat the last cell, so that all stay in step; it is not stored.
            let c = min(first + lid, count - 1u);
            let at = cell(row, tile + c) * stride + base;
            var score = vec4<f32>(0.0);
            let i_turns = turns(0u, dim4, 4u);
            for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
                if i_turn >= i_turns {
                    break;
                }
                let i = i_turn * 4u;
                let k0 = k4(at, i);
                let k1 = k4(at, min(i + 1u, dim4 - 1u));
                let k2 = k4(at, min(i + 2u, dim4 - 1u));
                let k3 = k4(at, min(i + 3u, dim4 - 1u));
                for (var h = 0u; h < QH; h++) {
                    let q = q4(h * q_stride + i, lane);
                    score[h] += dot(k0, q.a) + dot(k1, q.b) + dot(k2, q.c) + dot(k3, q.d);
                }
            }
            score = capped(score) - slopes * distance(row.y, tile + c);
            if first + lid < count {
                p_tile[c] = score;
                tile_top = max(tile_top, score);
            }
        }
        let new_top = max(top, workgroup_max4(tile_top, lid));
        let shrink = exp(top - new_top);
        top = new_top;
        weight *= shrink;
        let c_turns = turns(lid, count, 64u);
        for (var c_turn = 0u; c_turn < MOST_TURNS; c_turn++) {
            if c_turn >= c_turns {
                break;
            }
            let c = lid + c_turn * 64u;
            let p = exp(p_tile[c] - top);
            p_tile[c] = p;
            weight += p;
        }
        workgroupBarrier();
        if part < parts {
            for (var h = 0u; h < QH; h++) {
                acc[h] *= shrink[h];
            }
            // Block by block: a table is read once for the cells of one.
            let block_turns = turns(tile - tile % BLOCK, tile + count, BLOCK);
            for (var block_turn = 0u; block_turn < MOST_TURNS; block_turn++) {
                if block_turn >= block_turns {
                    break;
                }
                let block = tile - tile % BLOCK + block_turn * BLOCK;
                let begins = max(block, tile) - tile;
                let ends = min(block + BLOCK - tile, count);
                let first = (block_cell(row, block) + tile - block) * stride + base;
                let c_turns2 = turns(begins + part, ends, parts);
                for (var c_turn = 0u; c_turn < BLOCK; c_turn++) {
                    if c_turn >= c_turns2 {
                        break;
                    }
                    let c = begins + part + c_turn * parts;
                    let v = v4(first + c * stride, d4);
                    let p = p_tile[c];
                    for (var h = 0u; h < QH; h++) {
                        acc[h] += p[h] * v;
                    }
                }
            }
        }
        workgroupBarrier();
    }
    let total = workgroup_sum4(weight, lid);
    for (var h = 0u; h < QH; h++) {
        q_tile[h * 64u + lid] = acc[h];
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
