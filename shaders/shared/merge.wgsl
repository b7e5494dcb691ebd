// The parts of a split attention put together by a workgroup of 64 threads, as in FlashDecoding (Dao et al. 2023):
//   sum_s exp(top_s - top) acc_s / sum_s exp(top_s - top) total_s,   top = max_s top_s
// Whoever imports this reads the parts: `part_tails` has (top, total) of parts lid and lid + 64, (LOWEST, 0) where there is none;
// `part_vectors` has vector d4 of parts s, s + each, … of four, zeros where there is none. No part is read twice.
// It lends its memory, too: `heads`, of which 192 numbers, and `q_tile`, 64 vectors.  splits <= 128.
#import shared/turns

// Summed as reduce_tree does, whatever else the kernel sums by: all that merge parts get the same bits.
fn tree_sum(value: f32, lid: u32) -> f32 {
    heads[128u + lid] = value;
    for (var i = 0u; i < 6u; i++) {
        let step = 32u >> i;
        workgroupBarrier();
        if lid < step {
            heads[128u + lid] += heads[128u + lid + step];
        }
    }
    workgroupBarrier();
    let total = heads[128];
    workgroupBarrier();
    return total;
}

// A head's parts begin at `first`. A thread below dim4 gets its vector of the result.
fn merged(first: u32, splits: u32, dim4: u32, lid: u32) -> vec4<f32> {
    let tails = part_tails(first, splits, dim4, lid);
    let top = workgroup_max4(vec4<f32>(max(tails.x, tails.z)), lid).x;
    let near = exp(tails.x - top);
    let far = exp(tails.z - top);
    heads[lid] = near;
    heads[lid + 64u] = far;
    let total = tree_sum(near * tails.y + far * tails.w, lid);
    // 64 threads cover a head's vectors `each` times over, and take every each-th part.
    let each = 64u / dim4;
    let d4 = lid % dim4;
    var acc = vec4<f32>(0.0);
    let s_turns = select(0u, turns(lid / dim4, splits, 4u * each), lid < each * dim4);
    for (var s_turn = 0u; s_turn < MOST_TURNS; s_turn++) {
        if s_turn >= s_turns {
            break;
        }
        let s = lid / dim4 + s_turn * (4u * each);
        let v = part_vectors(first, splits, dim4, d4, s, each);
        acc += share_of(s) * v.a + share_of(s + each) * v.b + share_of(s + 2u * each) * v.c + share_of(s + 3u * each) * v.d;
    }
    q_tile[lid] = acc;
    workgroupBarrier();
    if lid < dim4 {
        for (var i = 1u; i < MOST_TURNS; i++) {
            if i >= each {
                break;
            }
            acc += q_tile[lid + i * dim4];
        }
    }
    return acc / total;
}

// exp(top_s - top)
fn share_of(s: u32) -> f32 {
    return heads[min(s, 127u)];
}

// The same vector of four parts.
struct Parts {
    a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>,
}
