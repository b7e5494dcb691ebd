// Causal attention with online softmax (Milakov & Gimelshein 2018), grouped queries (Ainslie et al. 2023):
//   out[r][h] = sum_c softmax_c(q[r][h] . k[c]) v[c],   c from max(0, pos-window+1) to pos
// q is already scaled. Shapes: qkv [R][q_stride*4] (queries first), cache [cells][n_kv_heads][head_dim],
// out [R][n_heads*head_dim].
// Grid: (n_kv_heads * groups, R): a workgroup takes up to QH query heads of one KV head, so K and V are read once
// for them. Cells go by in tiles of 256; a thread scores whole cells, then owns 4 elements of the output.
// QH <= 4; head_dim % 4 == 0, <= 256.  Mirror: crate/cpu/attention.rs
struct Params {
    n_heads: u32,
    n_kv_heads: u32,
    head_dim4: u32,
    q_stride4: u32,
    window: u32,
    groups: u32,
    softcap: f32,
    rows: u32,
}
@group(0) @binding(0) var<storage, read> batch: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k_cache: array<Kv4>;
@group(0) @binding(3) var<storage, read> v_cache: array<Kv4>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(5) var<uniform> params: Params;
#import shared/kv_{kv}
#import shared/q_{lanes}

struct Q4 {
    a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>,
}

const TILE: u32 = 256u;
const LOWEST: f32 = -3.0e38;
// Rows of queries start on a multiple of 4 vectors; the gap is zero.
var<workgroup> q_tile: array<vec4<f32>, QH * 64u>;
var<workgroup> p_tile: array<vec4<f32>, TILE>;
var<workgroup> partials: array<vec4<f32>, QH * 64u>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32, thread: QThread) {
    let lane = q_lane(thread);
    let row = batch[group.y];
    let dim4 = params.head_dim4;
    let kv_head = group.x / params.groups;
    let per_kv = params.n_heads / params.n_kv_heads;
    let head0 = kv_head * per_kv + (group.x % params.groups) * QH;
    let n_heads = min(QH, (kv_head + 1u) * per_kv - head0);

    let q_row = (dim4 + 3u) & 124u;
    for (var i = lid; i < QH * q_row; i += 64u) {
        let h = i / q_row;
        var q = vec4<f32>(0.0);
        if h < n_heads && i % q_row < dim4 {
            q = qkv[group.y * params.q_stride4 + (head0 + h) * dim4 + i % q_row];
        }
        q_tile[i] = q;
    }
    workgroupBarrier();

    let end = row.y + 1u;
    var begin = 0u;
    if params.window != 0u && end > params.window {
        begin = end - params.window;
    }
    let stride = params.n_kv_heads * dim4;
    let base = (row.z * params.n_kv_heads + kv_head) * dim4;
    // 64 threads cover the head's dim4 vectors `parts` times over; each takes every parts-th cell.
    let parts = 64u / dim4;
    let part = lid / dim4;
    let d4 = lid % dim4;
    var acc: array<vec4<f32>, QH>;
    var top = vec4<f32>(LOWEST);
    var weight = vec4<f32>(0.0);
    for (var tile = begin; tile < end; tile += TILE) {
        let count = min(TILE, end - tile);
        var tile_top = vec4<f32>(LOWEST);
        for (var first = 0u; first < count; first += 64u) {
            // Threads past the end repeat the last cell, so that all stay in step; it is not stored.
            let c = min(first + lid, count - 1u);
            let at = base + (tile + c) * stride;
            var score = vec4<f32>(0.0);
            for (var i = 0u; i < dim4; i += 4u) {
                let k0 = kv_unpack(k_cache[at + i]);
                let k1 = kv_unpack(k_cache[at + min(i + 1u, dim4 - 1u)]);
                let k2 = kv_unpack(k_cache[at + min(i + 2u, dim4 - 1u)]);
                let k3 = kv_unpack(k_cache[at + min(i + 3u, dim4 - 1u)]);
                for (var h = 0u; h < QH; h++) {
                    let q = q4(h * q_row + i, lane);
                    score[h] += dot(k0, q.a) + dot(k1, q.b) + dot(k2, q.c) + dot(k3, q.d);
                }
            }
            if params.softcap > 0.0 {
                score = params.softcap * tanh(clamp(score / params.softcap, vec4<f32>(-15.0), vec4<f32>(15.0)));
            }
            if first + lid < count {
                p_tile[c] = score;
                tile_top = max(tile_top, score);
            }
        }
        let new_top = max(top, workgroup_max4(tile_top, lid));
        let shrink = exp(top - new_top);
        top = new_top;
        weight *= shrink;
        for (var c = lid; c < count; c += 64u) {
            let p = exp(p_tile[c] - top);
            p_tile[c] = p;
            weight += p;
        }
        workgroupBarrier();
        if part < parts {
            for (var h = 0u; h < QH; h++) {
                acc[h] *= shrink[h];
            }
            for (var c = part; c < count; c += parts) {
                let v = kv_unpack(v_cache[base + (tile + c) * stride + d4]);
                let p = p_tile[c];
                for (var h = 0u; h < QH; h++) {
                    acc[h] += p[h] * v;
                }
            }
        }
        workgroupBarrier();
    }
    let total = workgroup_sum4(weight, lid);
    for (var h = 0u; h < QH; h++) {
        partials[h * 64u + lid] = acc[h];
    }
    workgroupBarrier();
    if lid < dim4 {
        for (var h = 0u; h < n_heads; h++) {
            var y = vec4<f32>(0.0);
            for (var p = 0u; p < parts; p++) {
                y += partials[h * 64u + p * dim4 + lid];
            }
            out[(group.y * params.n_heads + head0 + h) * dim4 + lid] = y / total[h];
        }
    }
}
