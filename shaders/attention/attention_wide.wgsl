// Attention as in attention.wgsl for the heads that it has no room for: up to 640 wide, with values shorter than keys,
// with sinks.
//   out[r][h] = sum_c exp(s[c] - top) v[c] / (sum_c exp(s[c] - top) + exp(sink[h] - top)),   s[c] = q[r][h] . k[c]
// A sink (Xiao et al. 2024, "Efficient Streaming Language Models with Attention Sinks"; gpt-oss, OpenAI 2025) takes a
// share of the weights and gives nothing.
// Shapes: q [R][q_stride*4] (queries first), k_cache [cells][n_kv_heads][k_dim], v_cache
// [cells][n_kv_heads][v_stride*4] of which the first v_dim count, sinks [n_heads], out [R][n_heads][v_dim].
// Grid: (n_heads, R), a workgroup a head of a row.  k_dim <= 640, v_dim <= 512.  On the CPU:
// crate/kernels/attention/wide.rs
#import shared/turns
struct Params {
    // Query heads.
    n_heads: u32,
    // Heads of keys, as of values.
    n_kv_heads: u32,
    // Length of a query and of a key / 4.
    k_dim4: u32,
    // Length of a value / 4.
    v_dim4: u32,
    // From a cell's value to the next head's / 4.
    v_stride4: u32,
    // Length of a row of q / 4.
    q_stride4: u32,
    // Cells a row may look back over, itself included; 0: all.
    window: u32,
    // softcap * tanh(score / softcap); 0: off.
    softcap: f32,
    // Slopes of heads go down to 2^-alibi: see slope() of shared/scores.wgsl; 0: off.
    alibi: f32,
    // So many cells after it a row sees too, as far as its sequence has them.
    ahead: u32,
    // 1: heads have sinks.
    has_sinks: u32,
    // Words from the table that a row names to the layer's own.
    tables: u32,
}
@group(0) @binding(0) var<storage, read> batch: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> sinks: array<f32>;
@group(0) @binding(3) var<storage, read> k_cache: array<Kv4>;
@group(0) @binding(4) var<storage, read> v_cache: array<Kv4>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(6) var<uniform> params: Params;
#import shared/kv_get
#import shared/scores
#import shared/cell
#import shared/reduce_{reduce}

const TILE: u32 = 64u;
var<workgroup> query: array<vec4<f32>, 160>;
// Weights of a tile's cells; 0 past the last.
var<workgroup> weights: array<f32, TILE>;
// Where they lie: the cell times the KV heads, and the KV head.
var<workgroup> places: array<u32, TILE>;
var<workgroup> sums: array<vec4<f32>, 64>;

// The score of a cell whose key begins here.
fn score_of(key: u32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= params.k_dim4 {
            break;
        }
        sum += dot(query[i], k4(key, i));
    }
    return capped(vec4<f32>(sum)).x;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let row = row_of(batch[group.y], params.tables);
    let head = group.x;
    let kv_head = head / (params.n_heads / params.n_kv_heads);
    let i_turns = turns(lid, params.k_dim4, 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns {
            break;
        }
        let i = lid + i_turn * 64u;
        query[i] = q[group.y * params.q_stride4 + head * params.k_dim4 + i];
    }
    workgroupBarrier();

    let next = row.y + 1u;
    let begin = first_seen(next);
    let end = next + min(max(next, row.w) - next, params.ahead);
    // 64 threads cover a value `parts` times over, and take every parts-th cell; or each has two vectors of it.
    let v_dim4 = params.v_dim4;
    let parts = max(64u / v_dim4, 1u);
    let part = lid / v_dim4;
    let d4 = lid % v_dim4;
    let head_slope = slope(head);
    var acc0 = vec4<f32>(0.0);
    var acc1 = vec4<f32>(0.0);
    var top = LOWEST;
    var total = 0.0;
    let tile_turns = turns(begin, end, TILE);
    for (var tile_turn = 0u; tile_turn < MOST_TURNS; tile_turn++) {
        if tile_turn >= tile_turns {
            break;
        }
        let tile = begin + tile_turn * TILE;
        let count = min(TILE, end - tile);
        var score = LOWEST;
        if lid < count {
            let place = cell(row, tile + lid) * params.n_kv_heads + kv_head;
            places[lid] = place;
            score = score_of(place * kv_head_size(params.k_dim4)) - head_slope * distance(row.y, tile + lid);
        }
        let new_top = max(top, workgroup_max4(vec4<f32>(score), lid).x);
        let shrink = exp(top - new_top);
        top = new_top;
        let weight = select(0.0, exp(score - top), lid < count);
        weights[lid] = weight;
        total = total * shrink + weight;
        workgroupBarrier();
        acc0 *= shrink;
        acc1 *= shrink;
        if part < parts {
            let c_turns = turns(part, count, parts);
            for (var c_turn = 0u; c_turn < MOST_TURNS; c_turn++) {
                if c_turn >= c_turns {
                    break;
                }
                let c = part + c_turn * parts;
                let value = places[c] * kv_head_size(params.v_stride4);
                acc0 += weights[c] * v4(value, d4);
                if d4 + 64u < v_dim4 {
                    acc1 += weights[c] * v4(value, d4 + 64u);
                }
            }
        }
        workgroupBarrier();
    }
    total = workgroup_sum(total, lid);
    if params.has_sinks != 0u {
        let new_top = max(top, sinks[head]);
        let shrink = exp(top - new_top);
        total = total * shrink + exp(sinks[head] - new_top);
        acc0 *= shrink;
        acc1 *= shrink;
    }
    sums[lid] = acc0;
    workgroupBarrier();
    if lid >= v_dim4 {
        return;
    }
    for (var p = 1u; p < MOST_TURNS; p++) {
        if p >= parts {
            break;
        }
        acc0 += sums[p * v_dim4 + lid];
    }
    let to = (group.y * params.n_heads + head) * v_dim4 + lid;
    out[to] = acc0 / total;
    if lid + 64u < v_dim4 {
        out[to + 64u] = acc1 / total;
    }
}
