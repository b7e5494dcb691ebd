// Attention of a token of its own, with all that comes before it in a layer: what rope_kv.wgsl does to its query, key
// and value, then what attention.wgsl does, for one row that sees no other row of the batch.
// Shapes: as theirs. out: see shared/merge_apart.wgsl, which leaves parts to another dispatch, and shared/merge_inside.wgsl.
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
    // Slopes of heads go down to 2^-alibi: see slope() of shared/scores.wgsl; 0: off.
    alibi: f32,
    // Stretches that the cells are cut into; 1: the result is whole.
    splits: u32,
    // Words from the table that a row names to the layer's own.
    tables: u32,
    // Words of `out` before what parts need, where they are merged inside.
    results: u32,
}
@group(0) @binding(0) var<storage, read> batch: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> q_norm: array<f32>;
@group(0) @binding(3) var<storage, read> k_norm: array<f32>;
@group(0) @binding(4) var<storage, read> rope: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> k_cache: array<Kv4>;
@group(0) @binding(6) var<storage, read_write> v_cache: array<Kv4>;
@group(0) @binding(7) var<storage, read_write> out: array<Out>;
@group(0) @binding(8) var<uniform> params: Params;
#import shared/turns
#import shared/kv_get
#import shared/kv_put
#import shared/rope_angle
#import shared/query_scale
#import shared/scores
#import shared/cell
#import shared/attend_{lanes}
#import shared/merge_{merge}

// The queries and, last, the key, while they are rotated.
var<workgroup> heads: array<f32, (QH + 1u) * 256u>;

// A vector of q, k or v, or zero.
fn vector(at: u32, is_there: bool) -> vec4<f32> {
    if is_there {
        return qkv[at];
    }
    return vec4<f32>(0.0);
}

// Vector i of a head.
fn put_head(head: u32, i: u32, dim: u32, v: vec4<f32>) {
    let at = head * dim + 4u * i;
    heads[at] = v.x;
    heads[at + 1u] = v.y;
    heads[at + 2u] = v.z;
    heads[at + 3u] = v.w;
}

// Vector i of the head that starts there.
fn head_vector(start: u32, i: u32) -> vec4<f32> {
    let at = start + 4u * i;
    return vec4<f32>(heads[at], heads[at + 1u], heads[at + 2u], heads[at + 3u]);
}

// Where a thread stores no other vector than its own, that is there already.
var<private> own_value: vec4<f32>;

fn value_vector(start: u32, i: u32) -> vec4<f32> {
    if !KV_TURNED {
        return own_value;
    }
    return qkv[start + i];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32, caller: Caller) {
    let r = group.y / params.splits;
    let split = group.y % params.splits;
    let row = row_of(batch[r], params.tables);
    let dim4 = params.head_dim4;
    let dim = dim4 * 4u;
    let kv_head = group.x / params.groups;
    let per_kv = params.n_heads / params.n_kv_heads;
    let head0 = kv_head * per_kv + (group.x % params.groups) * QH;
    let n_heads = min(QH, (kv_head + 1u) * per_kv - head0);
    let q_from = r * (params.n_heads + 2u * params.n_kv_heads) * dim4;
    let k_from = q_from + (params.n_heads + kv_head) * dim4;
    let v_from = k_from + params.n_kv_heads * dim4;

    // A thread has a vector of each head. All of them are asked for before any is waited for, and the angles too.
    let half = params.rope_half;
    let q_at = q_from + head0 * dim4 + lid;
    let owns = lid < dim4;
    var k = vector(k_from + lid, owns);
    if !KV_TURNED {
        own_value = vector(v_from + lid, owns);
    }
    var q0 = vector(q_at, owns);
    var q1 = vector(q_at + dim4, owns && QH > 1u && n_heads > 1u);
    var q2 = vector(q_at + 2u * dim4, owns && QH > 2u && n_heads > 2u);
    var q3 = vector(q_at + 3u * dim4, owns && QH > 3u && n_heads > 3u);
    let near = lid % max(half, 1u);
    let far = (lid + 64u) % max(half, 1u);
    let near_angle = rope_angle(row.y, near, half);
    let far_angle = rope_angle(row.y, far, half);
    if params.has_norm != 0u {
        let squares = vec4<f32>(dot(q0, q0), dot(q1, q1), dot(q2, q2), dot(q3, q3));
        let q_scale = inverseSqrt(workgroup_sum4(squares, lid) / f32(dim) + params.eps);
        let k_scale = inverseSqrt(workgroup_sum(dot(k, k), lid) / f32(dim) + params.eps);
        var q_weight = vec4<f32>(1.0);
        var k_weight = vec4<f32>(1.0);
        if params.has_norm == 1u && owns {
            let i = 4u * lid;
            q_weight = vec4<f32>(q_norm[i], q_norm[i + 1u], q_norm[i + 2u], q_norm[i + 3u]);
            k_weight = vec4<f32>(k_norm[i], k_norm[i + 1u], k_norm[i + 2u], k_norm[i + 3u]);
        }
        q0 *= q_scale.x * q_weight;
        q1 *= q_scale.y * q_weight;
        q2 *= q_scale.z * q_weight;
        q3 *= q_scale.w * q_weight;
        k *= k_scale * k_weight;
    }
    if owns {
        put_head(0u, lid, dim, q0);
        if QH > 1u {
            put_head(1u, lid, dim, q1);
        }
        if QH > 2u {
            put_head(2u, lid, dim, q2);
        }
        if QH > 3u {
            put_head(3u, lid, dim, q3);
        }
        put_head(QH, lid, dim, k);
    }
    workgroupBarrier();
    let i_turns = turns(lid, (QH + 1u) * half, 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns {
            break;
        }
        let i = lid + i_turn * 64u;
        let pair = i % half;
        let start = i / half * dim;
        let a = start + select(2u * pair, pair, params.neox != 0u);
        let b = start + select(2u * pair + 1u, pair + half, params.neox != 0u);
        var angle = near_angle;
        if pair == far {
            angle = far_angle;
        } else if pair != near {
            angle = rope_angle(row.y, pair, half);
        }
        let u = heads[a];
        let w = heads[b];
        heads[a] = u * angle.x - w * angle.y;
        heads[b] = u * angle.y + w * angle.x;
    }
    workgroupBarrier();
    if params.has_norm == 2u {
        let i_turns2 = turns(lid, dim, 64u);
        for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
            if i_turn >= i_turns2 {
                break;
            }
            let i = lid + i_turn * 64u;
            for (var h = 0u; h < QH; h++) {
                heads[h * dim + i] *= q_norm[i];
            }
            heads[QH * dim + i] *= k_norm[i];
        }
        workgroupBarrier();
    }
    let scale = query_scale(row.y);
    let q_stride = q_row(dim4);
    let i_turns3 = turns(lid, QH * q_stride, 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns3 {
            break;
        }
        let i = lid + i_turn * 64u;
        var q = vec4<f32>(0.0);
        if i % q_stride < dim4 {
            let start = i / q_stride * dim;
            if KV_TURNED {
                q = turned_vector(start, i % q_stride, dim4) * scale;
            } else {
                q = head_vector(start, i % q_stride) * scale;
            }
        }
        q_tile[i] = q;
    }
    let stride = params.n_kv_heads * kv_head_size(dim4);
    let base = kv_head * kv_head_size(dim4);
    if KV_TURNED {
        var key = vec4<f32>(0.0);
        if owns {
            key = turned_vector(QH * dim, lid, dim4);
        }
        workgroupBarrier();
        if owns {
            put_head(QH, lid, dim, key);
        }
        workgroupBarrier();
    }
    if lid < kv_parts(dim4) {
        let at = cell(row, row.y) * stride + base;
        k_put(at, lid, QH * dim, dim4);
        v_put(at, lid, v_from, dim4);
    }
    // The new cell is read back below, by other threads.
    storageBarrier();
    workgroupBarrier();

    var end = row.y + 1u;
    var begin = first_seen(end);
    let share = (end - begin + params.splits - 1u) / params.splits;
    begin = min(begin + split * share, end);
    end = min(begin + share, end);
    let sums = attend(row, begin, end, base, stride, dim4, slopes_from(head0), caller_lane(caller), lid);
    leave(r, split, head0, n_heads, group.x, sums, lid);
}
