// A matrix-vector product of integers: the kernels matvec_dot.wgsl and matvec_dot_post.wgsl, which import what it binds.
// Vector j of block b is at [64 * j + b]: neighbouring threads read neighbouring vectors.
var<workgroup> x_tile: array<vec4<u32>, 128u * PLANES>;
var<workgroup> x_scale: array<vec4<f32>, 64>;

// Brings block `kb` of the row into place `to`; the sum of its squares.
fn stage(input: Input, kb: u32, to: u32) -> f32 {
    let at = kb * 8u;
    var x0 = load_x(input, at);
    var x1 = load_x(input, at + 1u);
    var x2 = load_x(input, at + 2u);
    var x3 = load_x(input, at + 3u);
    var x4 = load_x(input, at + 4u);
    var x5 = load_x(input, at + 5u);
    var x6 = load_x(input, at + 6u);
    var x7 = load_x(input, at + 7u);
    keep_x(input, at, x0, x1, x2, x3, x4, x5, x6, x7);
    var squares = 0.0;
    if params.has_norm != 0u {
        squares = dot(x0, x0) + dot(x1, x1) + dot(x2, x2) + dot(x3, x3) +
            dot(x4, x4) + dot(x5, x5) + dot(x6, x6) + dot(x7, x7);
        x0 *= norm[at];
        x1 *= norm[at + 1u];
        x2 *= norm[at + 2u];
        x3 *= norm[at + 3u];
        x4 *= norm[at + 4u];
        x5 *= norm[at + 5u];
        x6 *= norm[at + 6u];
        x7 *= norm[at + 7u];
    }
    let q = quantize(x0, x1, x2, x3, x4, x5, x6, x7);
    x_tile[to] = q.hi0;
    x_tile[64u + to] = q.hi1;
    if PLANES == 2u {
        x_tile[64u * PLANES + to] = q.lo0;
        x_tile[64u * PLANES + 64u * (PLANES - 1u) + to] = q.lo1;
    }
    x_scale[to] = q.scale;
    return squares;
}

fn staged(b: u32) -> Integers {
    var q = Integers(x_tile[b], x_tile[64u + b], vec4<u32>(0u), vec4<u32>(0u), x_scale[b]);
    if PLANES == 2u {
        q.lo0 = x_tile[64u * PLANES + b];
        q.lo1 = x_tile[64u * PLANES + 64u * (PLANES - 1u) + b];
    }
    return q;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    // A thread's four rows make four results, or two with their gates.
    let slot = group.x * (64u / params.lanes) + lid / params.lanes;
    let first = slot * select(4u, 2u, params.glu != 0u);
    let row = row_starts(first, 1u);
    let input = open_x(group.y, lid, group.x == 0u);
    var acc = vec4<f32>(0.0);
    var squares = 0.0;
    for (var chunk = 0u; chunk < params.k_blocks; chunk += 64u) {
        if chunk + lid < params.k_blocks {
            squares += stage(input, chunk + lid, lid);
        }
        workgroupBarrier();
        let end = min(64u, params.k_blocks - chunk);
        for (var b = lid % params.lanes; b < end; b += params.lanes) {
            let q = staged(b);
            for (var r = 0u; r < 4u; r++) {
                let w = load_packed(row[r] + chunk + b);
                let w0 = vec4<u32>(w.q0, w.q1, w.q2, w.q3);
                let w1 = vec4<u32>(w.q4, w.q5, w.q6, w.q7);
                acc[r] += product(w0, w1, vec4<f32>(w.scale, w.offset), q);
            }
        }
        workgroupBarrier();
    }
    var sums: vec4<f32>;
    if params.lanes == 64u {
        sums = workgroup_sum4(acc, lid);
    } else {
        sums = sum16(acc, lid);
        workgroupBarrier();
    }
    // Each thread saw other columns, however many threads share a row.
    squares = workgroup_sum(squares, lid);
    if lid % params.lanes == 0u {
        store(group.y, first, 1u, sums, squares);
    }
}
