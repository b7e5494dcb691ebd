#import shared/turns
#import shared/matvec_block
#import shared/matvec_fours
#import shared/matvec_sums
// A matrix-vector product of floats: the kernels matvec.wgsl and matvec_post.wgsl, which import what it binds.

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let lane = lid % params.lanes;
    // A thread's four rows make four results, or two with their gates.
    let first = (group.y * (THREADS / params.lanes) + lid / params.lanes) * results_each();
    let row = row_starts(first, 1u);
    let n = first + lane;
    let stores = lane < results_each() && n < results_of_all();
    var before = vec2<f32>(0.0);
    if stores {
        before = due(group.x, n);
    }
    // One of those who read all of a row keeps it.
    let input = open_x(group.x, lid, group.y == 0u && lid < params.lanes);
    var acc = vec4<f32>(0.0);
    var squares = 0.0;
    let kb_turns = turns(lane, params.k_blocks, params.lanes);
    for (var kb_turn = 0u; kb_turn < MOST_TURNS; kb_turn++) {
        if kb_turn >= kb_turns {
            break;
        }
        let kb = lane + kb_turn * params.lanes;
        // Weights come the longest way: they are asked for first, all four rows of them.
        let at = row + kb;
        let w = fetch4(at);
        let v = load_activations(input, kb);
        squares += v.squares;
        var sums = vec2<f32>(0.0);
        if HAS_OFFSET {
            let ones = vec4<f32>(1.0);
            sums = vec2<f32>(dot(v.x0 + v.x1 + v.x2 + v.x3, ones), dot(v.x4 + v.x5 + v.x6 + v.x7, ones));
        }
        acc += vec4<f32>(
            multiplied(w.a, at.x, v, sums), multiplied(w.b, at.y, v, sums),
            multiplied(w.c, at.z, v, sums), multiplied(w.d, at.w, v, sums),
        );
    }
    let total = sum_of_lanes(Sums(acc, squares), lid, params.lanes);
    if stores {
        // Every `lanes` threads saw all of x.
        let once = total.squares * (f32(params.lanes) / f32(THREADS));
        leave(group.x, n, results(total.rows, once)[lane], before);
    }
}
