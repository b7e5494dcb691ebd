#import shared/activation
#import shared/weights
// What the matrix-vector kernels share: which rows a thread sums, and what becomes of the sums. What they bind besides
// weights is in matvec_x.wgsl or matvec_x_post.wgsl.
struct Params {
    // Plane offsets of the weight part, in u32 words; the first is 0.
    planes: vec4<u32>,
    // Rows of the weight part.
    n: u32,
    // Blocks of 32 in a row.
    k_blocks: u32,
    // Length of an output row.
    out_stride: u32,
    // Where in an output row this part's results go.
    column: u32,
    // 1: bias is added.
    has_bias: u32,
    // 1: results are added to what is there.
    accumulate: u32,
    // 1: read row `rows[r]` of x instead of row r.
    gather: u32,
    // 1: x goes through RMSNorm first, with `eps`.
    has_norm: u32,
    // Added to the mean of squares.
    eps: f32,
    // 0: none; 1: SiLU, 2: GELU (tanh) of the first half of the rows, times the second half.
    glu: u32,
    // Threads that share a row, 16, 64 or 128; `matvec_rows` does not read it.
    lanes: u32,
    // Sums are multiplied by this: the weights' own scale.
    scale: f32,
    // Rows of the batch.
    m: u32,
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

// How many results there are of a thread's four rows, and of all rows.
fn results_each() -> u32 {
    return select(4u, 2u, params.glu != 0u);
}

fn results_of_all() -> u32 {
    return select(params.n, params.n / 2u, params.glu != 0u);
}

// The results of the rows of `row_starts`, from their sums and the sum of squares of x.
fn results(sums: vec4<f32>, squares: f32) -> vec4<f32> {
    var y = sums * params.scale;
    if params.has_norm != 0u {
        y *= inverseSqrt(squares / f32(params.k_blocks * 32u) + params.eps);
    }
    if params.glu != 0u {
        y = activate(y, params.glu == 2u) * y.zwzw;
    }
    return y;
}
