// Attention as in decode_attention.wgsl, for software adapters with subgroups, where barriers and shared memory cost
// more than loads: four threads share the cells, and put together what they found lane to lane.
// Shapes and grid: as there. A thread takes four cells at a time, so that queries and sums are read once for four. It
// computes the new key itself and does not read it back.
// QH <= 4; head_dim % 4 == 0, <= DIM; rope_half % 4 == 0.  Mirror: crate/cpu/decode_attention.rs
#requires subgroups
#import shared/decode_attention_io
#import shared/rope_vectors

const D4: u32 = DIM / 4u;

// The queries, one head after the other, and last the key.
var<private> heads: array<vec4<f32>, (QH + 1u) * D4>;

// Vector i of a norm's weights.
fn norm4(is_key: bool, i: u32) -> vec4<f32> {
    if is_key {
        return vec4<f32>(k_norm[4u * i], k_norm[4u * i + 1u], k_norm[4u * i + 2u], k_norm[4u * i + 3u]);
    }
    return vec4<f32>(q_norm[4u * i], q_norm[4u * i + 1u], q_norm[4u * i + 2u], q_norm[4u * i + 3u]);
}

// Reads head h (the key, if h == QH) from qkv, norms it and turns it.
fn prepare(h: u32, start: u32, position: u32) {
    let dim4 = params.head_dim4;
    let to = h * D4;
    var squares = 0.0;
    for (var i = 0u; i < dim4; i++) {
        let v = qkv[start + i];
        heads[to + i] = v;
        squares += dot(v, v);
    }
    if params.has_norm != 0u {
        let scale = inverseSqrt(squares / f32(4u * dim4) + params.eps);
        for (var i = 0u; i < dim4; i++) {
            heads[to + i] *= scale * norm4(h == QH, i);
        }
    }
    let half = params.rope_half;
    if params.neox != 0u {
        for (var i = to; i < to + half / 4u; i++) {
            let turn = rope_angle4(position, 4u * (i - to), half);
            let u = heads[i];
            let v = heads[i + half / 4u];
            heads[i] = u * turn.cos - v * turn.sin;
            heads[i + half / 4u] = u * turn.sin + v * turn.cos;
        }
    } else {
        for (var i = to; i < to + half / 2u; i++) {
            heads[i] = turn_pairs(heads[i], position, 2u * (i - to), half);
        }
    }
    if h < QH {
        for (var i = to; i < to + dim4; i++) {
            heads[i] *= params.attn_scale;
        }
    }
}

fn sum_of_4(value: vec4<f32>) -> vec4<f32> {
    let pair = value + subgroupShuffleXor(value, 1u);
    return pair + subgroupShuffleXor(pair, 2u);
}

fn max_of_4(value: f32) -> f32 {
    let pair = max(value, subgroupShuffleXor(value, 1u));
    return max(pair, subgroupShuffleXor(pair, 2u));
}

@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let work = work_of(group);
    let row = batch[work.r];
    let dim4 = params.head_dim4;
    for (var h = 0u; h <= QH; h++) {
        // Past the last query it is read again; nothing of it is stored.
        let query = work.q_from + (work.head0 + min(h, work.n_heads - 1u)) * dim4;
        prepare(h, select(query, work.k_from, h == QH), row.y);
    }
    let stride = params.n_kv_heads * dim4;
    let base = (row.z * params.n_kv_heads + work.kv_head) * dim4;
    let v_from = work.k_from + stride;
    for (var i = lid; i < dim4; i += 4u) {
        k_cache[base + row.y * stride + i] = kv_pack(heads[QH * D4 + i]);
        v_cache[base + row.y * stride + i] = kv_pack(qkv[v_from + i]);
    }

    var acc: array<vec4<f32>, QH * D4>;
    var top: array<f32, QH>;
    var total: array<f32, QH>;
    // The new cell is the first thread's, in the stretch that ends with it.
    let has_own = lid == 0u && work.begin <= row.y && work.end == row.y + 1u;
    for (var h = 0u; h < QH; h++) {
        top[h] = LOWEST;
        total[h] = 0.0;
        if has_own {
            var score = 0.0;
            for (var i = 0u; i < dim4; i++) {
                // As the cache holds them.
                score += dot(heads[h * D4 + i], kv_unpack(kv_pack(heads[QH * D4 + i])));
                acc[h * D4 + i] = kv_unpack(kv_pack(qkv[v_from + i]));
            }
            top[h] = capped(vec4<f32>(score)).x;
            total[h] = 1.0;
        }
    }
    let end = min(work.end, row.y);
    for (var tile = work.begin; tile < end; tile += 16u) {
        let cells = vec4<u32>(tile + 4u * lid) + vec4<u32>(0u, 1u, 2u, 3u);
        // Past the end the last cell is read again, and weighs nothing.
        let at = vec4<u32>(base) + min(cells, vec4<u32>(end - 1u)) * stride;
        var scores: array<vec4<f32>, QH>;
        for (var i = 0u; i < dim4; i++) {
            let k0 = kv_unpack(k_cache[at.x + i]);
            let k1 = kv_unpack(k_cache[at.y + i]);
            let k2 = kv_unpack(k_cache[at.z + i]);
            let k3 = kv_unpack(k_cache[at.w + i]);
            for (var h = 0u; h < QH; h++) {
                let q = heads[h * D4 + i];
                scores[h] += vec4<f32>(dot(q, k0), dot(q, k1), dot(q, k2), dot(q, k3));
            }
        }
        var shrink: array<f32, QH>;
        for (var h = 0u; h < QH; h++) {
            let score = capped(scores[h]);
            let new_top = max(top[h], max(max(score.x, score.y), max(score.z, score.w)));
            let p = select(vec4<f32>(0.0), exp(score - new_top), cells < vec4<u32>(end));
            shrink[h] = exp(top[h] - new_top);
            total[h] = total[h] * shrink[h] + p.x + p.y + p.z + p.w;
            top[h] = new_top;
            scores[h] = p;
        }
        for (var i = 0u; i < dim4; i++) {
            let v0 = kv_unpack(v_cache[at.x + i]);
            let v1 = kv_unpack(v_cache[at.y + i]);
            let v2 = kv_unpack(v_cache[at.z + i]);
            let v3 = kv_unpack(v_cache[at.w + i]);
            for (var h = 0u; h < QH; h++) {
                let p = scores[h];
                acc[h * D4 + i] = acc[h * D4 + i] * shrink[h] + p.x * v0 + p.y * v1 + p.z * v2 + p.w * v3;
            }
        }
    }

    for (var h = 0u; h < QH; h++) {
        let most = max_of_4(top[h]);
        let scale = exp(top[h] - most);
        let sum = sum_of_4(vec4<f32>(total[h] * scale)).x;
        let to = result_at(work, h);
        let stored = h < work.n_heads;
        for (var i = 0u; i < dim4; i++) {
            var y = sum_of_4(acc[h * D4 + i] * scale);
            if params.splits == 1u {
                y /= sum;
            }
            if stored && i % 4u == lid {
                out[to + i] = y;
            }
        }
        if stored && params.splits > 1u && lid == 0u {
            out[to + dim4] = vec4<f32>(most, sum, 0.0, 0.0);
        }
    }
}
