#import shared/turns
#import shared/matvec_pairs
#import shared/matvec_stage
#import shared/matvec_sums
// A matrix-vector product of integers: the kernels matvec_dot.wgsl and matvec_dot_post.wgsl, which import what it binds.

// The blocks of weights of a thread's two rows, as they lie in memory.
struct Two {
    a: Raw, b: Raw,
}

fn fetch2(at: vec2<u32>) -> Two {
    return Two(fetch(at.x), fetch(at.y));
}

// The product of a block of weights and one of activations.
fn multiplied(raw: Raw, b: u32, q: Integers) -> f32 {
    let w = unpack(raw, b);
    let w0 = vec4<u32>(w.q0, w.q1, w.q2, w.q3);
    let w1 = vec4<u32>(w.q4, w.q5, w.q6, w.q7);
    return product(w0, w1, vec4<f32>(w.scale, w.offset), q, 0.0);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let lane = lid % params.lanes;
    let first = (group.y * (THREADS / params.lanes) + lid / params.lanes) * pair_results_each();
    let row = pair_starts(first);
    let last = params.k_blocks - 1u;
    // Weights come the longest way: those of the first blocks are under way while activations become integers, then each
    // row's next ones while the other row is multiplied.
    var ahead = fetch2(row + min(lane, last));
    let n = first + lane;
    let stores = lane < pair_results_each() && n < results_of_all();
    var before = vec2<f32>(0.0);
    if stores {
        before = due(group.x, n);
    }
    let input = open_x(group.x, lid, group.y == 0u);
    var acc = vec2<f32>(0.0);
    var squares = 0.0;
    let chunk_turns = turns(0u, params.k_blocks, TILE);
    for (var chunk_turn = 0u; chunk_turn < MOST_TURNS; chunk_turn++) {
        if chunk_turn >= chunk_turns {
            break;
        }
        let chunk = chunk_turn * TILE;
        if chunk > 0u {
            workgroupBarrier();
        }
        squares += stage(input, chunk, lid);
        workgroupBarrier();
        let end = min(chunk + TILE, params.k_blocks);
        let kb_turns = turns(chunk, end, params.lanes);
        for (var kb_turn = 0u; kb_turn < MOST_TURNS; kb_turn++) {
            if kb_turn >= kb_turns {
                break;
            }
            let kb = chunk + kb_turn * params.lanes;
            let at = row + min(kb + lane, last);
            // Past the end it is the last block again: that costs less than a branch.
            let next = row + min(kb + params.lanes + lane, last);
            let q = staged(kb - chunk + lane);
            var products: vec2<f32>;
            products.x = multiplied(ahead.a, at.x, q);
            ahead.a = fetch(next.x);
            products.y = multiplied(ahead.b, at.y, q);
            ahead.b = fetch(next.y);
            // Past the end nothing was staged.
            acc += select(vec2<f32>(0.0), products, kb + lane <= last);
        }
    }
    // However many threads share a row, each saw other columns: the squares of all are those of x.
    let sums = sum_of_lanes(Sums(acc, squares), lid, params.lanes);
    if stores {
        leave(group.x, n, pair_results(sums.rows, sums.squares)[lane], before);
    }
}
