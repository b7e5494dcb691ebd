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
#import shared/kv_{kv}
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

fn store(head: Head, i: u32, rotated: vec4<f32>) {
    let v = weighted(head, i, rotated, 2u);
    if head.is_q {
        qkv[head.start + i] = v * head.q_scale;
    } else {
        k_cache[head.to + i] = kv_pack(v);
    }
}

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let r = group.x * 16u + lid;
    if r >= params.rows {
        return;
    }
    let row = batch[r];
    let h = group.y;
    let dim4 = params.head_dim / 4u;
    let kv_head = (h - min(h, params.n_heads)) % params.n_kv_heads;
    let start = (r * (params.n_heads + 2u * params.n_kv_heads) + h) * dim4;
    let to = (cell(row, row.y) * params.n_kv_heads + kv_head) * dim4;
    if h >= params.n_heads + params.n_kv_heads {
        for (var i = 0u; i < MOST_TURNS; i++) {
            if i >= dim4 {
                break;
            }
            v_cache[to + i] = kv_pack(qkv[start + i]);
        }
        return;
    }
    var scale = 1.0;
    if params.has_norm != 0u {
        var squares = 0.0;
        for (var i = 0u; i < MOST_TURNS; i++) {
            if i >= dim4 {
                break;
            }
            let v = qkv[start + i];
            squares += dot(v, v);
        }
        scale = inverseSqrt(squares / f32(params.head_dim) + params.eps);
    }
    let head = Head(start, to, h < params.n_heads, scale, query_scale(row.y));
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
}
