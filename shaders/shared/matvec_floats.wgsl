#import shared/matvec_block
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
        let v = load_activations(input, kb);
        squares += v.squares;
        var sums = vec2<f32>(0.0);
        if HAS_OFFSET {
            let ones = vec4<f32>(1.0);
            sums = vec2<f32>(dot(v.x0 + v.x1 + v.x2 + v.x3, ones), dot(v.x4 + v.x5 + v.x6 + v.x7, ones));
        }
        for (var r = 0u; r < 4u; r++) {
            let w = load_block(row[r] + kb);
            let low = dot(w.v0, v.x0) + dot(w.v1, v.x1) + dot(w.v2, v.x2) + dot(w.v3, v.x3);
            let high = dot(w.v4, v.x4) + dot(w.v5, v.x5) + dot(w.v6, v.x6) + dot(w.v7, v.x7);
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
