// What rope_kv.wgsl does, for software adapters, where a barrier costs more than loads: a thread takes one head of one
// row from end to end.
// Shapes: as there. rope_half % 4 == 0 with neox, else rope_half % 2 == 0.
// Grid: (ceil(R/16), n_heads + 2*n_kv_heads); neighbouring threads take neighbouring rows.  Mirror: crate/kernels/rope/mod.rs
#import shared/turns
#import shared/rope_kv_params
@group(0) @binding(0) var<storage, read> batch: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> q_norm: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k_norm: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> rope: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> qkv: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> k_cache: array<Kv4>;
@group(0) @binding(6) var<storage, read_write> v_cache: array<Kv4>;
@group(0) @binding(7) var<uniform> params: Params;
#import shared/kv_put
#import shared/rope_angle
#import shared/query_scale
#import shared/cell

// A head of a row: where it starts in qkv and in its cache, and the scale of its norm.
struct Head {
    start: u32,
    to: u32,
    is_q: bool,
    scale: f32,
    // Of its query.
    q_scale: f32,
}

// Vector i times the weight of a norm, where it comes at this place.
fn weighted(head: Head, i: u32, v: vec4<f32>, place: u32) -> vec4<f32> {
    if params.has_norm != place {
        return v;
    }
    if head.is_q {
        return v * q_norm[i];
    }
    return v * k_norm[i];
}

// Vector i of a head, normed.
fn load(head: Head, i: u32) -> vec4<f32> {
    return weighted(head, i, qkv[head.start + i] * head.scale, 1u);
}

// What waits to be stored: a vector, or a whole head where it is turned first.
const KEPT: u32 = select(1u, 64u, KV_TURNED);
var<private> kept: array<vec4<f32>, KEPT>;

fn head_vector(start: u32, i: u32) -> vec4<f32> {
    return kept[(start + i) % KEPT];
}

var<private> v_scale: f32;

fn value_vector(start: u32, i: u32) -> vec4<f32> {
    return qkv[start + i] * v_scale;
}

fn store(head: Head, i: u32, rotated: vec4<f32>) {
    let v = weighted(head, i, rotated, 2u);
    if head.is_q && !KV_TURNED {
        qkv[head.start + i] = v * head.q_scale;
        return;
    }
    kept[i % KEPT] = v;
    if !KV_TURNED {
        k_put(head.to, i, 0u, params.head_dim / 4u);
    }
}

// What has waited.
fn store_all(head: Head, dim4: u32) {
    var turned: array<vec4<f32>, KEPT>;
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= dim4 {
            break;
        }
        turned[i % KEPT] = turned_vector(0u, i, dim4);
    }
    if head.is_q {
        for (var i = 0u; i < MOST_TURNS; i++) {
            if i >= dim4 {
                break;
            }
            qkv[head.start + i] = turned[i % KEPT] * head.q_scale;
        }
        return;
    }
    kept = turned;
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= kv_parts(dim4) {
            break;
        }
        k_put(head.to, i, 0u, dim4);
    }
}

// What a head is multiplied by before its norm's weights, where it has one.
fn norm_scale(start: u32, has_norm: u32) -> f32 {
    if has_norm == 0u {
        return 1.0;
    }
    var squares = 0.0;
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= params.head_dim / 4u {
            break;
        }
        let v = qkv[start + i];
        squares += dot(v, v);
    }
    return inverseSqrt(squares / f32(params.head_dim) + params.eps);
}

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let r = group.x * 16u + lid;
    if r >= params.rows {
        return;
    }
    let row = row_of(batch[r], params.tables);
    let h = group.y;
    let dim4 = params.head_dim / 4u;
    let kv_head = (h - min(h, params.n_heads)) % max(params.n_kv_heads, 1u);
    let is_v = h >= params.n_heads + params.n_kv_heads;
    let back = select(0u, params.n_heads + 2u * params.n_kv_heads - params.row_heads, is_v);
    let start = (r * params.row_heads + h - back) * dim4;
    let to = (cell(row, row.y) * params.n_kv_heads + kv_head) * kv_head_size(dim4);
    if is_v {
        v_scale = norm_scale(start, params.v_norm);
        for (var i = 0u; i < MOST_TURNS; i++) {
            if i >= kv_parts(dim4) {
                break;
            }
            v_put(to, i, start, dim4);
        }
        return;
    }
    let head = Head(start, to, h < params.n_heads, norm_scale(start, params.has_norm), query_scale(row.y));
    let half = params.rope_half;
    if params.neox != 0u {
        let i_end = half / 4u;
        for (var i = 0u; i < MOST_TURNS; i++) {
            if i >= i_end {
                break;
            }
            let u = load(head, i);
            let v = load(head, i + half / 4u);
            let t0 = rope_angle(row.y, 4u * i, half);
            let t1 = rope_angle(row.y, 4u * i + 1u, half);
            let t2 = rope_angle(row.y, 4u * i + 2u, half);
            let t3 = rope_angle(row.y, 4u * i + 3u, half);
            let cos = vec4<f32>(t0.x, t1.x, t2.x, t3.x);
            let sin = vec4<f32>(t0.y, t1.y, t2.y, t3.y);
            store(head, i, u * cos - v * sin);
            store(head, i + half / 4u, u * sin + v * cos);
        }
    } else {
        let i_end2 = half / 2u;
        for (var i = 0u; i < MOST_TURNS; i++) {
            if i >= i_end2 {
                break;
            }
            let v = load(head, i);
            let t0 = rope_angle(row.y, 2u * i, half);
            let t1 = rope_angle(row.y, 2u * i + 1u, half);
            store(head, i, vec4<f32>(
                v.x * t0.x - v.y * t0.y,
                v.x * t0.y + v.y * t0.x,
                v.z * t1.x - v.w * t1.y,
                v.z * t1.y + v.w * t1.x,
            ));
        }
    }
    for (var i = half / 2u; i < MOST_TURNS; i++) {
        if i >= dim4 {
            break;
        }
        store(head, i, load(head, i));
    }
    if KV_TURNED {
        store_all(head, dim4);
    }
}
