#import shared/turns
#import shared/matvec_block
#import shared/matvec_sums
// A matrix-vector product of integers: the kernels matvec_dot.wgsl and matvec_dot_post.wgsl, which import what it binds.
// Vector j of block b is at [THREADS * j + b]: neighbouring threads read neighbouring vectors.
var<workgroup> x_tile: array<vec4<u32>, 2u * THREADS * PLANES>;
var<workgroup> x_scale: array<vec4<f32>, THREADS>;

// Brings block `kb` of the row into place `to`; the sum of its squares.
fn stage(input: Input, kb: u32, to: u32) -> f32 {
    let v = load_activations(input, kb);
    let q = quantize(v.x0, v.x1, v.x2, v.x3, v.x4, v.x5, v.x6, v.x7);
    x_tile[to] = q.hi0;
    x_tile[THREADS + to] = q.hi1;
    if PLANES == 2u {
        x_tile[THREADS * PLANES + to] = q.lo0;
        x_tile[THREADS * PLANES + THREADS * (PLANES - 1u) + to] = q.lo1;
    }
    if HAS_OFFSET {
        x_scale[to] = q.scale;
    } else {
        x_scale[to].x = q.scale.x;
    }
    return v.squares;
}

fn staged(b: u32) -> Integers {
    var q = Integers(x_tile[b], x_tile[THREADS + b], vec4<u32>(0u), vec4<u32>(0u), x_scale[b]);
    if PLANES == 2u {
        q.lo0 = x_tile[THREADS * PLANES + b];
        q.lo1 = x_tile[THREADS * PLANES + THREADS * (PLANES - 1u) + b];
    }
    return q;
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
    // A thread's four rows make four results, or two with their gates.
    let first = (group.x * (THREADS / params.lanes) + lid / params.lanes) * results_each();
    let row = row_starts(first, 1u);
    let last = params.k_blocks - 1u;
    // Weights come the longest way: those of the first blocks are under way while activations become integers, then each
    // row's next ones while the other rows are multiplied.
    var ahead = fetch4(row + min(lane, last));
    let n = first + lane;
    let stores = lane < results_each() && n < results_of_all();
    var before = vec2<f32>(0.0);
    if stores {
        before = due(group.y, n);
    }
    let input = open_x(group.y, lid, group.x == 0u);
    var acc = vec4<f32>(0.0);
    var squares = 0.0;
    let chunk_turns = turns(0u, params.k_blocks, THREADS);
    for (var chunk_turn = 0u; chunk_turn < MOST_TURNS; chunk_turn++) {
        if chunk_turn >= chunk_turns {
            break;
        }
        let chunk = chunk_turn * THREADS;
        if chunk > 0u {
            workgroupBarrier();
        }
        if chunk + lid < params.k_blocks {
            squares += stage(input, chunk + lid, lid);
        }
        workgroupBarrier();
        let end = min(chunk + THREADS, params.k_blocks);
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
            var products: vec4<f32>;
            products.x = multiplied(ahead.a, at.x, q);
            ahead.a = fetch(next.x);
            products.y = multiplied(ahead.b, at.y, q);
            ahead.b = fetch(next.y);
            products.z = multiplied(ahead.c, at.z, q);
            ahead.c = fetch(next.z);
            products.w = multiplied(ahead.d, at.w, q);
            ahead.d = fetch(next.w);
            // Past the end nothing was staged.
            acc += select(vec4<f32>(0.0), products, kb + lane <= last);
        }
    }
    // However many threads share a row, each saw other columns: the squares of all are those of x.
    let sums = sum_of_lanes(Sums(acc, squares), lid, params.lanes);
    if stores {
        leave(group.y, n, results(sums.rows, sums.squares)[lane], before);
    }
}
