// What happens between the QKV projection and attention, for one head of one row:
//   q: (RMSNorm) -> RoPE -> * attn_scale, in place;   k: (RMSNorm) -> RoPE -> cache;   v: (RMSNorm) -> cache;   or the
//   norm after RoPE
// RoPE (Su et al. 2021) rotates the first 2*rope_half elements, as pairs (i, i+half) with neox, else (2i, 2i+1),
// by the angles of shared/rope_angle.wgsl.
// Shapes: qkv [R][row_heads * head_dim], norms [head_dim], cache [cells][n_kv_heads][head_dim].
// Grid: (n_heads + 2*n_kv_heads, R), a workgroup a head.  head_dim % 4 == 0, <= 512.  Mirror: crate/kernels/rope/mod.rs
#import shared/turns
#import shared/rope_kv_params
@group(0) @binding(0) var<storage, read> batch: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> q_norm: array<f32>;
@group(0) @binding(2) var<storage, read> k_norm: array<f32>;
@group(0) @binding(3) var<storage, read> rope: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(5) var<storage, read_write> k_cache: array<Kv4>;
@group(0) @binding(6) var<storage, read_write> v_cache: array<Kv4>;
@group(0) @binding(7) var<uniform> params: Params;
#import shared/kv_put
#import shared/rope_angle
#import shared/query_scale
#import shared/cell
#import shared/reduce_{reduce}

var<workgroup> head: array<f32, 512>;

fn head_vector(start: u32, i: u32) -> vec4<f32> {
    let at = start + 4u * i;
    return vec4<f32>(head[at], head[at + 1u], head[at + 2u], head[at + 3u]);
}

fn value_vector(start: u32, i: u32) -> vec4<f32> {
    return head_vector(start, i);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let row = row_of(batch[group.y], params.tables);
    let h = group.x;
    let dim = params.head_dim;
    let is_q = h < params.n_heads;
    let is_v = h >= params.n_heads + params.n_kv_heads;
    let back = select(0u, params.n_heads + 2u * params.n_kv_heads - params.row_heads, is_v);
    let start = (group.y * params.row_heads + h - back) * dim;

    var squares = 0.0;
    let i_turns = turns(lid, dim, 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns {
            break;
        }
        let i = lid + i_turn * 64u;
        let v = qkv[start + i];
        head[i] = v;
        squares += v * v;
    }
    if select(params.has_norm, params.v_norm, is_v) != 0u {
        let scale = inverseSqrt(workgroup_sum(squares, lid) / f32(dim) + params.eps);
        let i_turns2 = turns(lid, dim, 64u);
        for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
            if i_turn >= i_turns2 {
                break;
            }
            let i = lid + i_turn * 64u;
            head[i] *= scale * select(1.0, select(k_norm[i], q_norm[i], is_q), params.has_norm == 1u && !is_v);
        }
    }
    workgroupBarrier();
    if !is_v {
        let half = params.rope_half;
        let i_turns3 = turns(lid, half, 64u);
        for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
            if i_turn >= i_turns3 {
                break;
            }
            let i = lid + i_turn * 64u;
            let a = select(2u * i, i, params.neox != 0u);
            let b = select(2u * i + 1u, i + half, params.neox != 0u);
            let angle = rope_angle(row.y, i, half);
            let u = head[a];
            let v = head[b];
            head[a] = u * angle.x - v * angle.y;
            head[b] = u * angle.y + v * angle.x;
        }
    }
    workgroupBarrier();
    if params.has_norm == 2u && !is_v {
        let i_turns4 = turns(lid, dim, 64u);
        for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
            if i_turn >= i_turns4 {
                break;
            }
            let i = lid + i_turn * 64u;
            head[i] *= select(k_norm[i], q_norm[i], is_q);
        }
        workgroupBarrier();
    }
    if KV_TURNED && !is_v {
        var own = vec4<f32>(0.0);
        if lid < dim / 4u {
            own = turned_vector(0u, lid, dim / 4u);
        }
        workgroupBarrier();
        if lid < dim / 4u {
            for (var i = 0u; i < 4u; i++) {
                head[4u * lid + i] = own[i];
            }
        }
        workgroupBarrier();
    }
    if is_q {
        let scale = query_scale(row.y);
        let i_turns5 = turns(lid, dim, 64u);
        for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
            if i_turn >= i_turns5 {
                break;
            }
            let i = lid + i_turn * 64u;
            qkv[start + i] = head[i] * scale;
        }
        return;
    }
    let kv_head = (h - params.n_heads) % params.n_kv_heads;
    let to = (cell(row, row.y) * params.n_kv_heads + kv_head) * kv_head_size(dim / 4u);
    let part_turns = turns(lid, kv_parts(dim / 4u), 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= part_turns {
            break;
        }
        let i = lid + i_turn * 64u;
        if is_v {
            v_put(to, i, 0u, dim / 4u);
        } else {
            k_put(to, i, 0u, dim / 4u);
        }
    }
}
