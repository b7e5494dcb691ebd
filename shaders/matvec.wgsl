// Matrix-vector product for decode and batches of a few rows, with what surrounds it in a layer:
//   y[n] = W[n] . x[r]          with a norm (Zhang & Sennrich 2019), of x * norm * rsqrt(mean(x^2) + eps) in place of x
//   out[r][column + n] = y[n] (+ bias[n]);   with accumulate, out += ...;   with a gate (Shazeer 2020),
//   out[r][column + n] = act(y[n]) * y[N/2 + n]
// Shapes: W [N][K] (one part of a matrix), x [*][K] (row rows[r] with gather, else r), norm [K],
// bias [N of the whole matrix], out [R][out_stride]; K % 32 == 0.
// Grid: (ceil(N / (256/lanes)), R). `lanes` (16 or 64) threads share 4 rows and stride over their blocks of 32 weights:
// neighbouring threads load neighbouring 16 bytes, and x is read once for the 4 rows.
// Mirror: crate/cpu/matvec.rs
#import shared/matvec
#import formats/{format}
#import shared/reduce_{reduce}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    // A thread's four rows make four results, or two with their gates.
    let slot = group.x * (64u / params.lanes) + lid / params.lanes;
    let first = slot * select(4u, 2u, params.glu != 0u);
    let row = row_starts(first, 1u);
    let begin = x_start(group.y);
    var acc = vec4<f32>(0.0);
    var squares = 0.0;
    for (var kb = lid % params.lanes; kb < params.k_blocks; kb += params.lanes) {
        let at = begin + kb * 8u;
        var x0 = x[at];
        var x1 = x[at + 1u];
        var x2 = x[at + 2u];
        var x3 = x[at + 3u];
        var x4 = x[at + 4u];
        var x5 = x[at + 5u];
        var x6 = x[at + 6u];
        var x7 = x[at + 7u];
        if params.has_norm != 0u {
            squares += dot(x0, x0) + dot(x1, x1) + dot(x2, x2) + dot(x3, x3) +
                dot(x4, x4) + dot(x5, x5) + dot(x6, x6) + dot(x7, x7);
            let w = kb * 8u;
            x0 *= norm[w];
            x1 *= norm[w + 1u];
            x2 *= norm[w + 2u];
            x3 *= norm[w + 3u];
            x4 *= norm[w + 4u];
            x5 *= norm[w + 5u];
            x6 *= norm[w + 6u];
            x7 *= norm[w + 7u];
        }
        var sums = vec2<f32>(0.0);
        if HAS_OFFSET {
            let ones = vec4<f32>(1.0);
            sums = vec2<f32>(dot(x0 + x1 + x2 + x3, ones), dot(x4 + x5 + x6 + x7, ones));
        }
        for (var r = 0u; r < 4u; r++) {
            let w = load_block(row[r] + kb);
            let low = dot(w.v0, x0) + dot(w.v1, x1) + dot(w.v2, x2) + dot(w.v3, x3);
            let high = dot(w.v4, x4) + dot(w.v5, x5) + dot(w.v6, x6) + dot(w.v7, x7);
            acc[r] += dot(w.scale, vec2<f32>(low, high)) + dot(w.offset, sums);
        }
    }
    var total: vec4<f32>;
    if params.lanes == 64u {
        total = workgroup_sum4(acc, lid);
        squares = workgroup_sum(squares, lid);
    } else {
        total = sum16(acc, lid);
        workgroupBarrier();
        squares = sum16(vec4<f32>(squares, 0.0, 0.0, 0.0), lid).x;
    }
    if lid % params.lanes == 0u {
        store(group.y, first, 1u, total, squares);
    }
}
