// Matrix-vector product as in matvec.wgsl, of ROWS rows of x at a time: weights are read and unpacked once for them. The sums of
// each row are made in the order of a row alone.
// Grid: (ceil(R/ROWS), ceil(N / (512/lanes))).
// Mirror: crate/kernels/product/reference.rs
#import shared/turns
#import shared/matvec_x_starts
#import formats/{format}
#import shared/quad_{reduce}
#import shared/matvec_fours
#import shared/matvec_sums

// 16 columns of a row of x, times their norm weights, and the sum of their squares without those.
struct Half {
    x0: vec4<f32>, x1: vec4<f32>, x2: vec4<f32>, x3: vec4<f32>,
    squares: f32,
}

// `squares`: of the columns before.
fn load_half(start: u32, at: u32, squares: f32) -> Half {
    var h = Half(x[start + at], x[start + at + 1u], x[start + at + 2u], x[start + at + 3u], squares);
    if params.has_norm != 0u {
        h.squares += dot(h.x0, h.x0);
        h.squares += dot(h.x1, h.x1);
        h.squares += dot(h.x2, h.x2);
        h.squares += dot(h.x3, h.x3);
        h.x0 *= norm[at];
        h.x1 *= norm[at + 1u];
        h.x2 *= norm[at + 2u];
        h.x3 *= norm[at + 3u];
    }
    return h;
}

fn sum_of_half(h: Half) -> f32 {
    return dot(h.x0 + h.x1 + h.x2 + h.x3, vec4<f32>(1.0));
}

fn product(w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>, h: Half) -> f32 {
    return dot(w0, h.x0) + dot(w1, h.x1) + dot(w2, h.x2) + dot(w3, h.x3);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let lane = lid % params.lanes;
    let first = (group.y * (THREADS / params.lanes) + lid / params.lanes) * results_each();
    let row = row_starts(first, 1u);
    let m = group.x * ROWS;
    var begin = x_starts(m);
    var acc: array<vec4<f32>, ROWS>;
    var squares: array<f32, ROWS>;
    let kb_turns = turns(lane, params.k_blocks, params.lanes);
    for (var kb_turn = 0u; kb_turn < MOST_TURNS; kb_turn++) {
        if kb_turn >= kb_turns {
            break;
        }
        let kb = lane + kb_turn * params.lanes;
        let a = load_block(row.x + kb);
        let b = load_block(row.y + kb);
        let c = load_block(row.z + kb);
        let d = load_block(row.w + kb);
        // Halves one after the other, so that half of the unpacked weights are needed at a time.
        var low: array<vec4<f32>, ROWS>;
        var low_sums: array<f32, ROWS>;
        var seen: array<f32, ROWS>;
        for (var i = 0u; i < ROWS; i++) {
            let h = load_half(begin[i], kb * 8u, 0.0);
            low[i] = vec4<f32>(
                product(a.v0, a.v1, a.v2, a.v3, h), product(b.v0, b.v1, b.v2, b.v3, h),
                product(c.v0, c.v1, c.v2, c.v3, h), product(d.v0, d.v1, d.v2, d.v3, h),
            );
            low_sums[i] = sum_of_half(h);
            seen[i] = h.squares;
        }
        for (var i = 0u; i < ROWS; i++) {
            let h = load_half(begin[i], kb * 8u + 4u, seen[i]);
            squares[i] += h.squares;
            var sums = vec2<f32>(0.0);
            if HAS_OFFSET {
                sums = vec2<f32>(low_sums[i], sum_of_half(h));
            }
            acc[i] += vec4<f32>(
                dot(a.scale, vec2<f32>(low[i].x, product(a.v4, a.v5, a.v6, a.v7, h))) + dot(a.offset, sums),
                dot(b.scale, vec2<f32>(low[i].y, product(b.v4, b.v5, b.v6, b.v7, h))) + dot(b.offset, sums),
                dot(c.scale, vec2<f32>(low[i].z, product(c.v4, c.v5, c.v6, c.v7, h))) + dot(c.offset, sums),
                dot(d.scale, vec2<f32>(low[i].w, product(d.v4, d.v5, d.v6, d.v7, h))) + dot(d.offset, sums),
            );
        }
    }
    let n = first + lane;
    for (var i = 0u; i < ROWS; i++) {
        let total = sum_of_lanes(Sums(acc[i], squares[i]), lid, params.lanes);
        if m + i < params.m && lane < results_each() && n < results_of_all() {
            // Every `lanes` threads saw all of x.
            let once = total.squares * (f32(params.lanes) / f32(THREADS));
            put(m + i, n, results(total.rows, once)[lane]);
        }
        workgroupBarrier();
    }
}
