#import shared/activation
#import shared/weights
// What the matrix-vector kernels share: which rows a thread sums, and what becomes of the sums. What they bind besides
// weights is in matvec_x.wgsl or matvec_x_post.wgsl.
struct Params {
    planes: vec4<u32>,
    n: u32,
    k_blocks: u32,
    out_stride: u32,
    column: u32,
    has_bias: u32,
    accumulate: u32,
    gather: u32,
    has_norm: u32,
    eps: f32,
    glu: u32,
    lanes: u32,
}

// The first blocks of the four rows of W behind results `first`, `first + step`, …: four results, or with a gate two
// and their gates. Rows past the end repeat the last one, so that every thread stays in step; they are not stored.
fn row_starts(first: u32, step: u32) -> vec4<u32> {
    var row = min(vec4<u32>(first, first + step, first + 2u * step, first + 3u * step), vec4<u32>(params.n - 1u));
    if params.glu != 0u {
        let half = params.n / 2u;
        row = min(vec4<u32>(first, first + step, first, first + step), vec4<u32>(half - 1u)) + vec4<u32>(0u, 0u, half, half);
    }
    return row * params.k_blocks;
}

// The sums of the rows of `row_starts`, and the sum of squares of x, to row r of the output.
fn store(r: u32, first: u32, step: u32, sums: vec4<f32>, squares: f32) {
    var y = sums;
    if params.has_norm != 0u {
        y *= inverseSqrt(squares / f32(params.k_blocks * 32u) + params.eps);
    }
    var count = 4u;
    var end = params.n;
    if params.glu != 0u {
        y = activate(y, params.glu == 2u) * y.zwzw;
        count = 2u;
        end = params.n / 2u;
    }
    for (var i = 0u; i < count; i++) {
        let n = first + i * step;
        if n < end {
            put(r, n, y[i]);
        }
    }
}
