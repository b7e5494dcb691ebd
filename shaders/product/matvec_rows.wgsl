// Matrix-vector product as in matvec.wgsl, for software adapters. There each load costs a lane the same wherever it
// goes, and a barrier costs more than a load: a thread owns 4 rows from end to end, so that nothing is summed between
// threads, and x is loaded in shares and broadcast. It takes ROWS rows of x at a time: weights are unpacked once for them,
// and each row's sums are those of a row alone.
// Grid: (ceil(R/ROWS), ceil(N/64)), with a gate (ceil(R/ROWS), ceil(N/2 / 32)).
// Mirror: crate/kernels/product/reference.rs
#import shared/turns
#import shared/matvec_x_starts
#import formats/{format}
#import shared/share_{x}

// Sum of the squares of what this thread loaded of a row.
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
    let first = group.y * select(64u, 32u, params.glu != 0u) + lid;
    let row = row_starts(first, 16u);
    let m = group.x * ROWS;
    var begin = x_starts(m);
    var acc: array<vec4<f32>, ROWS>;
    var seen: array<f32, ROWS>;
    let kb_end = params.k_blocks;
    for (var kb = 0u; kb < MOST_TURNS; kb++) {
        if kb >= kb_end {
            break;
        }
        var v: array<X32, ROWS>;
        var sums: array<vec2<f32>, ROWS>;
        for (var i = 0u; i < ROWS; i++) {
            squares = seen[i];
            v[i] = x_block(begin[i], kb * 8u, lane);
            seen[i] = squares;
            if HAS_OFFSET {
                let ones = vec4<f32>(1.0);
                let x = v[i];
                sums[i] = vec2<f32>(dot(x.v0 + x.v1 + x.v2 + x.v3, ones), dot(x.v4 + x.v5 + x.v6 + x.v7, ones));
            }
        }
        for (var r = 0u; r < 4u; r++) {
            let w = load_block(row[r] + kb);
            for (var i = 0u; i < ROWS; i++) {
                let x = v[i];
                let low = dot(w.v0, x.v0) + dot(w.v1, x.v1) + dot(w.v2, x.v2) + dot(w.v3, x.v3);
                let high = dot(w.v4, x.v4) + dot(w.v5, x.v5) + dot(w.v6, x.v6) + dot(w.v7, x.v7);
                acc[i][r] += dot(w.scale, vec2<f32>(low, high)) + dot(w.offset, sums[i]);
            }
        }
    }
    let count = min(ROWS, params.m - m);
    for (var i = 0u; i < ROWS; i++) {
        let y = results(acc[i], sum_of_shares(seen[i]));
        if i < count {
            leave_all(m + i, first, y);
        }
    }
}

// A thread's results of a row.
fn leave_all(m: u32, first: u32, y: vec4<f32>) {
    let i_end = results_each();
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= i_end {
            break;
        }
        let n = first + i * 16u;
        if n < results_of_all() {
            put(m, n, y[i]);
        }
    }
}
