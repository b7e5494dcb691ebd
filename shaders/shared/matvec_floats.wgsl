// A matrix-vector product of floats: the kernels matvec.wgsl and matvec_post.wgsl, which import what it binds.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    // A thread's four rows make four results, or two with their gates.
    let slot = group.x * (64u / params.lanes) + lid / params.lanes;
    let first = slot * select(4u, 2u, params.glu != 0u);
    let row = row_starts(first, 1u);
    // One of those who read all of a row keeps it.
    let input = open_x(group.y, lid, group.x == 0u && lid < params.lanes);
    var acc = vec4<f32>(0.0);
    var squares = 0.0;
    for (var kb = lid % params.lanes; kb < params.k_blocks; kb += params.lanes) {
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
        if params.has_norm != 0u {
            squares += dot(x0, x0) + dot(x1, x1) + dot(x2, x2) + dot(x3, x3) +
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
