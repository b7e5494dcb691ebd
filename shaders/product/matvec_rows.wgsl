// Matrix-vector product as in matvec.wgsl, for software adapters. There each load costs a lane the same wherever it
// goes, and a barrier costs more than a load: a thread owns 4 rows from end to end, so that nothing is summed between
// threads, and x is loaded in shares and broadcast.
// Grid: (ceil(N/64), R), with a gate (ceil(N/2 / 32), R).
// Mirror: crate/kernels/product/reference.rs
#import shared/turns
#import shared/matvec_x
#import formats/{format}
#import shared/share_{x}

// Sum of the squares of what this thread loaded.
var<private> squares: f32;

// Times its norm weights.
fn x_vector(start: u32, i: u32) -> vec4<f32> {
    let v = x[start + i];
    if params.has_norm != 0u {
        squares += dot(v, v);
        return v * norm[i];
    }
    return v;
}

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32, caller: Caller) {
    let lane = caller_lane(caller);
    let first = group.x * select(64u, 32u, params.glu != 0u) + lid;
    let row = row_starts(first, 16u);
    let begin = x_start(group.y);
    var acc = vec4<f32>(0.0);
    let kb_end = params.k_blocks;
    for (var kb = 0u; kb < MOST_TURNS; kb++) {
        if kb >= kb_end {
            break;
        }
        let v = x_block(begin, kb * 8u, lane);
        var sums = vec2<f32>(0.0);
        if HAS_OFFSET {
            let ones = vec4<f32>(1.0);
            sums = vec2<f32>(dot(v.v0 + v.v1 + v.v2 + v.v3, ones), dot(v.v4 + v.v5 + v.v6 + v.v7, ones));
        }
        for (var r = 0u; r < 4u; r++) {
            let w = load_block(row[r] + kb);
            let low = dot(w.v0, v.v0) + dot(w.v1, v.v1) + dot(w.v2, v.v2) + dot(w.v3, v.v3);
            let high = dot(w.v4, v.v4) + dot(w.v5, v.v5) + dot(w.v6, v.v6) + dot(w.v7, v.v7);
            acc[r] += dot(w.scale, vec2<f32>(low, high)) + dot(w.offset, sums);
        }
    }
    let y = results(acc, sum_of_shares(squares));
    let i_end = results_each();
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= i_end {
            break;
        }
        let n = first + i * 16u;
        if n < results_of_all() {
            put(group.y, n, y[i]);
        }
    }
}
