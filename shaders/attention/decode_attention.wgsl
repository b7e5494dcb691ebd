// Attention of a token of its own, with all that comes before it in a layer: what rope_kv.wgsl does to its query, key
// and value, then what attention.wgsl does, for one row that sees no other row of the batch.
// Shapes: as theirs. out [R][n_heads*head_dim]; with splits > 1 partial results for attention_combine.wgsl,
// [R][n_heads][splits][head_dim/4 + 1] vectors: the weighted values, then (largest score, sum of weights, 0, 0).
// Grid: (n_kv_heads * groups, R * splits): a workgroup takes up to QH query heads of one KV head, and one of `splits`
// stretches of the cells. All workgroups of a KV head write the same new key and value, so that none waits for another.
// QH <= 4; head_dim % 4 == 0, <= 256.  Mirror: crate/kernels/attention/reference.rs
struct Params {
    // Query heads.
    n_heads: u32,
    // Heads of keys, as of values.
    n_kv_heads: u32,
    // head_dim / 4.
    head_dim4: u32,
    // Rotated pairs: rope_dim / 2.
    rope_half: u32,
    // 1: pairs are (i, i + rope_half) instead of (2i, 2i + 1).
    neox: u32,
    // Query and key heads go through RMSNorm: 1, first; 2, once they are rotated.
    has_norm: u32,
    // Added to the mean of squares.
    eps: f32,
    // Queries are multiplied by this.
    attn_scale: f32,
    // And by 1 + stretch * ln(1 + floor(position / stretch_every)); 0: off.
    stretch: f32,
    // Positions; at least 1.
    stretch_every: u32,
    // Cells a row may look back over, itself included; 0: all.
    window: u32,
    // Workgroups per KV head and split.
    groups: u32,
    // softcap * tanh(score / softcap); 0: off.
    softcap: f32,
    // Stretches that the cells are cut into; 1: the result is whole.
    splits: u32,
}
@group(0) @binding(0) var<storage, read> batch: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> q_norm: array<f32>;
@group(0) @binding(3) var<storage, read> k_norm: array<f32>;
@group(0) @binding(4) var<storage, read> rope: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> k_cache: array<Kv4>;
@group(0) @binding(6) var<storage, read_write> v_cache: array<Kv4>;
@group(0) @binding(7) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(8) var<uniform> params: Params;
#import shared/kv_{kv}
#import shared/rope_angle
#import shared/query_scale
#import shared/scores
#import shared/cell
#import shared/attend

// The queries and, last, the key, while they are rotated.
var<workgroup> heads: array<f32, (QH + 1u) * 256u>;

// The weight of a norm where it comes at this place, else 1.
fn norm_weight(weight: f32, place: u32) -> f32 {
    return select(1.0, weight, params.has_norm == place);
}

fn head4(at: u32) -> vec4<f32> {
    return vec4<f32>(heads[at], heads[at + 1u], heads[at + 2u], heads[at + 3u]);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32, caller: Caller) {
    let r = group.y / params.splits;
    let split = group.y % params.splits;
    let row = batch[r];
    let dim4 = params.head_dim4;
    let dim = dim4 * 4u;
    let kv_head = group.x / params.groups;
    let per_kv = params.n_heads / params.n_kv_heads;
    let head0 = kv_head * per_kv + (group.x % params.groups) * QH;
    let n_heads = min(QH, (kv_head + 1u) * per_kv - head0);
    let q_from = r * (params.n_heads + 2u * params.n_kv_heads) * dim4;
    let k_from = q_from + (params.n_heads + kv_head) * dim4;

    for (var i = lid; i < (QH + 1u) * dim4; i += 64u) {
        let h = i / dim4;
        // Past the last query there are zeros.
        var v = vec4<f32>(0.0);
        if h == QH {
            v = qkv[k_from + i % dim4];
        } else if h < n_heads {
            v = qkv[q_from + head0 * dim4 + i];
        }
        heads[4u * i] = v.x;
        heads[4u * i + 1u] = v.y;
        heads[4u * i + 2u] = v.z;
        heads[4u * i + 3u] = v.w;
    }
    workgroupBarrier();
    if params.has_norm != 0u {
        var q_squares = vec4<f32>(0.0);
        var k_squares = 0.0;
        for (var i = lid; i < dim; i += 64u) {
            for (var h = 0u; h < QH; h++) {
                q_squares[h] += heads[h * dim + i] * heads[h * dim + i];
            }
            k_squares += heads[QH * dim + i] * heads[QH * dim + i];
        }
        let q_scale = inverseSqrt(workgroup_sum4(q_squares, lid) / f32(dim) + params.eps);
        let k_scale = inverseSqrt(workgroup_sum(k_squares, lid) / f32(dim) + params.eps);
        for (var i = lid; i < dim; i += 64u) {
            for (var h = 0u; h < QH; h++) {
                heads[h * dim + i] *= q_scale[h] * norm_weight(q_norm[i], 1u);
            }
            heads[QH * dim + i] *= k_scale * norm_weight(k_norm[i], 1u);
        }
        workgroupBarrier();
    }
    let half = params.rope_half;
    for (var i = lid; i < (QH + 1u) * half; i += 64u) {
        let pair = i % half;
        let start = i / half * dim;
        let a = start + select(2u * pair, pair, params.neox != 0u);
        let b = start + select(2u * pair + 1u, pair + half, params.neox != 0u);
        let angle = rope_angle(row.y, pair, half);
        let u = heads[a];
        let v = heads[b];
        heads[a] = u * angle.x - v * angle.y;
        heads[b] = u * angle.y + v * angle.x;
    }
    workgroupBarrier();
    if params.has_norm == 2u {
        for (var i = lid; i < dim; i += 64u) {
            for (var h = 0u; h < QH; h++) {
                heads[h * dim + i] *= q_norm[i];
            }
            heads[QH * dim + i] *= k_norm[i];
        }
        workgroupBarrier();
    }
    let scale = query_scale(row.y);
    let q_stride = q_row(dim4);
    for (var i = lid; i < QH * q_stride; i += 64u) {
        var q = vec4<f32>(0.0);
        if i % q_stride < dim4 {
            q = head4(i / q_stride * dim + 4u * (i % q_stride)) * scale;
        }
        q_tile[i] = q;
    }
    let stride = params.n_kv_heads * dim4;
    let base = kv_head * dim4;
    if lid < dim4 {
        let at = cell(row, row.y) * stride + base + lid;
        k_cache[at] = kv_pack(head4(QH * dim + 4u * lid));
        v_cache[at] = kv_pack(qkv[k_from + params.n_kv_heads * dim4 + lid]);
    }
    // The new cell is read back below, by other threads.
    storageBarrier();
    workgroupBarrier();

    var end = row.y + 1u;
    var begin = first_seen(end);
    let share = (end - begin + params.splits - 1u) / params.splits;
    begin = min(begin + split * share, end);
    end = min(begin + share, end);
    let sums = attend(row, begin, end, base, stride, dim4, caller_lane(caller), lid);
    for (var h = 0u; h < n_heads; h++) {
        let head = r * params.n_heads + head0 + h;
        if params.splits == 1u {
            if lid < dim4 {
                out[head * dim4 + lid] = attended(h, lid, dim4) / sums.total[h];
            }
        } else {
            let to = (head * params.splits + split) * (dim4 + 1u);
            if lid < dim4 {
                out[to + lid] = attended(h, lid, dim4);
            }
            if lid == 0u {
                out[to + dim4] = vec4<f32>(sums.top[h], sums.total[h], 0.0, 0.0);
            }
        }
    }
}
