#import shared/matvec_block
// A matrix-vector product of integers: the kernels matvec_dot.wgsl and matvec_dot_post.wgsl, which import what it binds.
// Vector j of block b is at [64 * j + b]: neighbouring threads read neighbouring vectors.
var<workgroup> x_tile: array<vec4<u32>, 128u * PLANES>;
var<workgroup> x_scale: array<vec4<f32>, 64>;

// Brings block `kb` of the row into place `to`; the sum of its squares.
fn stage(input: Input, kb: u32, to: u32) -> f32 {
    let v = load_activations(input, kb);
    let q = quantize(v.x0, v.x1, v.x2, v.x3, v.x4, v.x5, v.x6, v.x7);
    x_tile[to] = q.hi0;
    x_tile[64u + to] = q.hi1;
    if PLANES == 2u {
        x_tile[64u * PLANES + to] = q.lo0;
        x_tile[64u * PLANES + 64u * (PLANES - 1u) + to] = q.lo1;
    }
    x_scale[to] = q.scale;
    return v.squares;
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
