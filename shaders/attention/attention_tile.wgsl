// Attention for prefill, by tiles of queries and cells (FlashAttention-2, Dao 2023):
//   out[r][h] = sum_c softmax_c(q[r][h] . k[c]) v[c],   c from max(0, pos-window+1) to pos+ahead, as far as there are
// q is already scaled. Shapes: qkv [R][q_stride*4] (queries first), cache [cells][n_kv_heads][head_dim],
// out [R][n_heads*head_dim].
// Grid: (n_kv_heads * groups, ceil(R / floor(QUERIES / heads))): a workgroup takes `heads` query heads of one KV head in as
// many rows of the batch as make QUERIES queries, and reads K and V once for all of them, 32 cells at a time, head_dim in
// slices of 32. Tiles lie at multiples of 32 cells of the sequence, and a cell that a query may not see adds nothing:
// so a row's result does not depend on the rows beside it. Rows at consecutive positions of a sequence share the walk;
// others of the batch are walked for one after the other.
// head_dim % 4 == 0, <= DIM; heads <= QUERIES.  Mirror: crate/kernels/attention/reference.rs
#import shared/turns
#import shared/attention_io

const THREADS: u32 = 128u;
// Queries of a thread, 16 apart. The output of all of them is in registers: DIM / 8 * EACH floats a thread.
const EACH: u32 = 512u / max(DIM, 128u);
const QUERIES: u32 = 16u * EACH;
const CELLS: u32 = BLOCK;
const SLICES: u32 = DIM / 32u;

// Query i, or its probabilities, at [i / 16][8 * (i % 16)]; cell c at [c % 4][8 * (c / 4)]: the outer index is a
// constant where products are made. See `slot` for the order within.
var<workgroup> q_tile: array<array<vec4<f32>, 128>, EACH>;
var<workgroup> kv_tile: array<array<vec4<f32>, 64>, 4>;
// Of each query, its 8 threads' parts of a maximum or a sum.
var<workgroup> parts: array<array<f32, 128>, EACH>;

// Rows of 8 vectors, permuted so that not all of them begin in the same bank.
fn slot(row: u32, i: u32) -> u32 {
    return row * 8u + (i ^ (row & 7u));
}

// What a workgroup works on.
struct Block {
    first_row: u32,
    n_rows: u32,
    head0: u32,
    n_heads: u32,
    kv_head: u32,
}

fn block_of(group: vec3<u32>) -> Block {
    let per_kv = params.n_heads / params.n_kv_heads;
    let heads = (per_kv + params.groups - 1u) / params.groups;
    let kv_head = group.x / params.groups;
    let first_head = (group.x % params.groups) * heads;
    let rows = QUERIES / heads;
    let first_row = group.y * rows;
    return Block(
        first_row,
        min(rows, params.rows - first_row),
        kv_head * per_kv + first_head,
        min(heads, per_kv - first_head),
        kv_head,
    );
}

// Where in the caches the KV head's part of a cell begins.
fn cell_at(block: Block, cell: u32) -> u32 {
    return (cell * params.n_kv_heads + block.kv_head) * kv_head_size(params.head_dim4);
}

fn add4(sum: vec4<f32>, p: vec4<f32>, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) -> vec4<f32> {
    return sum + p.x * a + p.y * b + p.z * c + p.w * d;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let block = block_of(group);
    let dim4 = params.head_dim4;
    let slices = (dim4 + 7u) / 8u;
    // A thread scores cells 4*lane to 4*lane+3 of a tile, then owns vector `lane` of each slice of the output.
    let lane = lid % 8u;
    let q0 = lid / 8u;
    let n_queries = block.n_rows * block.n_heads;
    var q_at: array<u32, EACH>;
    var slope_of: array<f32, EACH>;
    var acc: array<vec4<f32>, EACH * SLICES>;
    var top: array<f32, EACH>;
    var weight: array<f32, EACH>;
    for (var r = 0u; r < EACH; r++) {
        let q = q0 + 16u * r;
        q_at[r] = (block.first_row + q / block.n_heads) * params.q_stride4 + (block.head0 + q % block.n_heads) * dim4;
        slope_of[r] = slope(block.head0 + q % block.n_heads);
        top[r] = LOWEST;
        weight[r] = 0.0;
    }

    var run = 0u;
    while run < block.n_rows {
        // A run of rows at consecutive positions of one sequence. Every cell from its first row's first to its last
        // row's last is seen by one of them.
        let start = batch[block.first_row + run];
        let run_start = run;
        run += 1u;
        while run < block.n_rows {
            let next = batch[block.first_row + run];
            if next.z != start.z || next.w != start.w || next.y != start.y + (run - run_start) {
                break;
            }
            run += 1u;
        }
        let begin = seen_by(start).x;
        let end = seen_by(batch[block.first_row + run - 1u]).y;
        // What each of the thread's queries sees; nothing, if it is not in the run.
        var seen: array<vec2<u32>, EACH>;
        var position: array<f32, EACH>;
        for (var r = 0u; r < EACH; r++) {
            let row = (q0 + 16u * r) / block.n_heads;
            seen[r] = vec2<u32>(0u);
            if row >= run_start && row < run {
                seen[r] = seen_by(batch[block.first_row + row]);
                position[r] = f32(start.y + row - run_start);
            }
        }

        let tile_turns = turns(begin - begin % CELLS, end, CELLS);
        for (var tile_turn = 0u; tile_turn < MOST_TURNS; tile_turn++) {
            if tile_turn >= tile_turns {
                break;
            }
            let tile = begin - begin % CELLS + tile_turn * CELLS;
            let first = block_cell(row_of(start, params.tables), tile);
            var scores: array<vec4<f32>, EACH>;
            for (var r = 0u; r < EACH; r++) {
                scores[r] = vec4<f32>(0.0);
            }
            for (var slice = 0u; slice < MOST_TURNS; slice++) {
                if slice >= slices {
                    break;
                }
                let d4 = slice * 8u + lane;
                for (var r = 0u; r < EACH; r++) {
                    var q = vec4<f32>(0.0);
                    if q0 + 16u * r < n_queries && d4 < dim4 {
                        q = qkv[q_at[r] + d4];
                    }
                    q_tile[r][slot(q0, lane)] = q;
                }
                for (var c_turn = 0u; c_turn < CELLS / (THREADS / 8u); c_turn++) {
                    let c = q0 + c_turn * (THREADS / 8u);
                    var k = vec4<f32>(0.0);
                    if tile + c >= begin && tile + c < end && d4 < dim4 {
                        k = k4(cell_at(block, first + c), d4);
                    }
                    kv_tile[c % 4u][slot(c / 4u, lane)] = k;
                }
                workgroupBarrier();
                // A slice is summed apart: exp turns roundings into relative errors, and these are fewer.
                var sums: array<vec4<f32>, EACH>;
                for (var r = 0u; r < EACH; r++) {
                    sums[r] = vec4<f32>(0.0);
                }
                for (var i = 0u; i < 8u; i++) {
                    let ki = slot(lane, i);
                    let qi = slot(q0, i);
                    // A vector over the thread's 4 cells for each of 4 elements.
                    let k = transpose(mat4x4<f32>(kv_tile[0][ki], kv_tile[1][ki], kv_tile[2][ki], kv_tile[3][ki]));
                    for (var r = 0u; r < EACH; r++) {
                        sums[r] = add4(sums[r], q_tile[r][qi], k[0], k[1], k[2], k[3]);
                    }
                }
                for (var r = 0u; r < EACH; r++) {
                    scores[r] += sums[r];
                }
                workgroupBarrier();
            }

            let cells = vec4<u32>(tile + 4u * lane) + vec4<u32>(0u, 1u, 2u, 3u);
            for (var r = 0u; r < EACH; r++) {
                let score = capped(scores[r]) - slope_of[r] * abs(vec4<f32>(cells) - position[r]);
                let s = select(vec4<f32>(LOWEST), score, (cells >= seen[r].xxxx) & (cells < seen[r].yyyy));
                scores[r] = s;
                parts[r][lid] = max(max(s.x, s.y), max(s.z, s.w));
            }
            workgroupBarrier();
            for (var r = 0u; r < EACH; r++) {
                var new_top = top[r];
                for (var i = 0u; i < 8u; i++) {
                    new_top = max(new_top, parts[r][q0 * 8u + i]);
                }
                let shrink = exp(top[r] - new_top);
                top[r] = new_top;
                let p = select(vec4<f32>(0.0), exp(scores[r] - new_top), scores[r] > vec4<f32>(LOWEST));
                weight[r] = weight[r] * shrink + (p.x + p.y + p.z + p.w);
                // The queries are staged anew for the next tile: their place is free.
                q_tile[r][slot(q0, lane)] = p;
                for (var slice = 0u; slice < SLICES; slice++) {
                    acc[slice * EACH + r] *= shrink;
                }
            }
            for (var slice = 0u; slice < SLICES; slice++) {
                if slice < slices {
                    let d4 = slice * 8u + lane;
                    for (var c_turn = 0u; c_turn < CELLS / (THREADS / 8u); c_turn++) {
                        let c = q0 + c_turn * (THREADS / 8u);
                        var v = vec4<f32>(0.0);
                        if tile + c >= begin && tile + c < end && d4 < dim4 {
                            v = v4(cell_at(block, first + c), d4);
                        }
                        kv_tile[c % 4u][slot(c / 4u, lane)] = v;
                    }
                    workgroupBarrier();
                    for (var i = 0u; i < 8u; i++) {
                        let vi = slot(i, lane);
                        let qi = slot(q0, i);
                        let v0 = kv_tile[0][vi];
                        let v1 = kv_tile[1][vi];
                        let v2 = kv_tile[2][vi];
                        let v3 = kv_tile[3][vi];
                        for (var r = 0u; r < EACH; r++) {
                            let at = slice * EACH + r;
                            acc[at] = add4(acc[at], q_tile[r][qi], v0, v1, v2, v3);
                        }
                    }
                    workgroupBarrier();
                }
            }
        }
    }

    for (var r = 0u; r < EACH; r++) {
        parts[r][lid] = weight[r];
    }
    workgroupBarrier();
    for (var r = 0u; r < EACH; r++) {
        let q = q0 + 16u * r;
        if q < n_queries {
            var total = 0.0;
            for (var i = 0u; i < 8u; i++) {
                total += parts[r][q0 * 8u + i];
            }
            let row = block.first_row + q / block.n_heads;
            let at = (row * params.n_heads + block.head0 + q % block.n_heads) * dim4;
            for (var slice = 0u; slice < SLICES; slice++) {
                let d4 = slice * 8u + lane;
                if d4 < dim4 {
                    out[at + d4] = acc[slice * EACH + r] / total;
                }
            }
        }
    }
}
