// The parts of a split attention (see decode_attention.wgsl) put together, as in FlashDecoding (Dao et al. 2023):
//   out[r][h] = sum_s exp(top_s - top) acc_s / sum_s exp(top_s - top) total_s,   top = max_s top_s
// Shapes: parts [R][n_heads][splits][dim4 + 1] vectors, the last of each (top, total, 0, 0); out [R][n_heads][dim4].
// Grid: (n_heads, R).  dim4 <= 64, splits <= 128.  Mirror: crate/kernels/attention/combine.rs
#import shared/turns
#import shared/reduce_tree
struct Params {
    // head_dim / 4.
    dim4: u32,
    // Parts of a head.
    splits: u32,
}
@group(0) @binding(0) var<storage, read> parts: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;

// exp(top_s - top)
var<workgroup> shares: array<f32, 128>;
var<workgroup> sums: array<vec4<f32>, 64>;

// What part s adds to a vector; nothing past the last part.
fn share_of(first: u32, s: u32) -> vec4<f32> {
    let v = parts[first + min(s, params.splits - 1u) * (params.dim4 + 1u)];
    return select(0.0, shares[min(s, 127u)], s < params.splits) * v;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lid: u32,
) {
    let head = group.y * groups.x + group.x;
    let stride = params.dim4 + 1u;
    let first = head * params.splits * stride;
    var top = -3.0e38;
    let s_turns = turns(lid, params.splits, 64u);
    for (var s_turn = 0u; s_turn < MOST_TURNS; s_turn++) {
        if s_turn >= s_turns {
            break;
        }
        let s = lid + s_turn * 64u;
        top = max(top, parts[first + s * stride + params.dim4].x);
    }
    top = workgroup_max4(vec4<f32>(top), lid).x;
    var total = 0.0;
    let s_turns2 = turns(lid, params.splits, 64u);
    for (var s_turn = 0u; s_turn < MOST_TURNS; s_turn++) {
        if s_turn >= s_turns2 {
            break;
        }
        let s = lid + s_turn * 64u;
        let part = parts[first + s * stride + params.dim4];
        let share = exp(part.x - top);
        shares[s] = share;
        total += share * part.y;
    }
    total = workgroup_sum(total, lid);
    // 64 threads cover a head's vectors `each` times over, and take every each-th part.
    let each = 64u / params.dim4;
    let d4 = first + lid % params.dim4;
    var acc = vec4<f32>(0.0);
    let s_turns3 = turns(lid / params.dim4, params.splits, 4u * each);
    for (var s_turn = 0u; s_turn < MOST_TURNS; s_turn++) {
        if s_turn >= s_turns3 {
            break;
        }
        let s = lid / params.dim4 + s_turn * (4u * each);
        acc += share_of(d4, s) + share_of(d4, s + each) + share_of(d4, s + 2u * each) + share_of(d4, s + 3u * each);
    }
    sums[lid] = acc;
    workgroupBarrier();
    if lid < params.dim4 {
        for (var i = 1u; i < MOST_TURNS; i++) {
            if i >= each {
                break;
            }
            acc += sums[lid + i * params.dim4];
        }
        out[head * params.dim4 + lid] = acc / total;
    }
}
