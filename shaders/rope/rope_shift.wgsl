// Keys that are in the cache already, rotated by the same angles more: as if their positions were others. A rotation by
// position p and one by q are one by p + q, so what a key was made of is not needed (RoFormer, Su et al. 2021).
// Rotated are 2 * rope_half elements of each head from `from` on, as in rope_kv.wgsl.
// Shapes: angles [rope_half] (cos, sin), cache [cells][n_kv_heads][head_dim].
// Grid: (n_kv_heads, positions), a workgroup a head.  head_dim % 4 == 0, <= 640.  On the CPU: crate/kernels/rope/shift.rs
#import shared/turns
struct Params {
    // The word of the batch at which the sequence's table begins.
    table: u32,
    // The position of the first key.
    position: u32,
    // Heads of keys.
    n_kv_heads: u32,
    // head_dim / 4.
    head_dim4: u32,
    // The first element of a head that is rotated.
    begin: u32,
    // Rotated pairs.
    rope_half: u32,
    // 1: pairs are (i, i + rope_half) instead of (2i, 2i + 1).
    neox: u32,
    // 1: a cache in blocks holds keys that were turned (see shared/kv_put.wgsl).
    turned: u32,
}
@group(0) @binding(0) var<storage, read> batch: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> angles: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> k_cache: array<Kv4>;
@group(0) @binding(3) var<uniform> params: Params;
#import shared/kv_put
#import shared/cell

var<workgroup> head: array<f32, 640>;
// The same, turned.
var<workgroup> other: array<f32, 640>;

fn head_vector(start: u32, i: u32) -> vec4<f32> {
    let at = start + 4u * i;
    return vec4<f32>(head[at], head[at + 1u], head[at + 2u], head[at + 3u]);
}

// Values stay as they are; what writes caches takes them for granted.
var<workgroup> v_cache: array<Kv4, 1>;

fn value_vector(start: u32, i: u32) -> vec4<f32> {
    return head_vector(start, i);
}

// A thread's vectors of the head, turned: twice is not at all.
fn turn(lid: u32) {
    let dim4 = params.head_dim4;
    let vector_turns = turns(lid, dim4, 64u);
    workgroupBarrier();
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= vector_turns {
            break;
        }
        let i = lid + i_turn * 64u;
        let v = turned_vector(0u, i, dim4);
        other[4u * i] = v.x;
        other[4u * i + 1u] = v.y;
        other[4u * i + 2u] = v.z;
        other[4u * i + 3u] = v.w;
    }
    workgroupBarrier();
    let all_turns = turns(lid, 4u * dim4, 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= all_turns {
            break;
        }
        head[lid + i_turn * 64u] = other[lid + i_turn * 64u];
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let dim4 = params.head_dim4;
    let at = cell(vec4<u32>(0u, 0u, params.table, 0u), params.position + group.y);
    let start = (at * params.n_kv_heads + group.x) * kv_head_size(dim4);
    let vector_turns = turns(lid, dim4, 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= vector_turns {
            break;
        }
        let i = lid + i_turn * 64u;
        let v = kv_vector(k_cache[start + kv_at(i)], k_cache[start + kv_scales_at(i)], i);
        head[4u * i] = v.x;
        head[4u * i + 1u] = v.y;
        head[4u * i + 2u] = v.z;
        head[4u * i + 3u] = v.w;
    }
    let is_turned = KV_TURNED && params.turned != 0u;
    if is_turned {
        turn(lid);
    }
    workgroupBarrier();
    let half = params.rope_half;
    let pair_turns = turns(lid, half, 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= pair_turns {
            break;
        }
        let i = lid + i_turn * 64u;
        let a = params.begin + select(2u * i, i, params.neox != 0u);
        let b = params.begin + select(2u * i + 1u, i + half, params.neox != 0u);
        let angle = angles[i];
        let u = head[a];
        let v = head[b];
        head[a] = u * angle.x - v * angle.y;
        head[b] = u * angle.y + v * angle.x;
    }
    if is_turned {
        turn(lid);
    }
    workgroupBarrier();
    let part_turns = turns(lid, kv_parts(dim4), 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= part_turns {
            break;
        }
        k_put(start, lid + i_turn * 64u, 0u, dim4);
    }
}
