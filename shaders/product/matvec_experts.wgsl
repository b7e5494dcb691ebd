// Matrix-vector products by the experts that rows chose (Shazeer et al. 2017), for decode and batches of a few rows. Of the
// choices of row r (route.wgsl), each with an expert e and a weight w:
//   out[used * r + c][column + n] = W[e][n] . x[r]  (+ bias[e][column + n]), a row of results for each choice, with a norm
//   or a gate as in matvec.wgsl;  or, `summed`,  out[r][column + n] = sum over c of w * (W[e][n] . x[used * r + c] + bias …)
// Shapes: W [experts of the part][N][K], x [R][K] or [R * used][K], norm [K], bias [experts][out_stride],
// choices [R][used], out [R * used][out_stride] or [R][out_stride]; K, N % 32 == 0. What the part has not counts for nothing.
// Grid: (ceil(N / (512/lanes)), rows of out). Threads share rows as in matvec.wgsl; summed, the choices' rows are one long row.
// Mirror: crate/kernels/product/experts.rs
#import shared/turns
#import shared/activation
#import shared/weights
#import formats/{format}
#import shared/quad_{reduce}
struct Params {
    // Plane offsets of the weight part, in u32 words; the first is 0.
    planes: vec4<u32>,
    // Rows of an expert in the part.
    n: u32,
    // Blocks of 32 in a row.
    k_blocks: u32,
    // Length of an output row.
    out_stride: u32,
    // Where in an output row the results go.
    column: u32,
    // The part's first expert.
    first_expert: u32,
    // Experts of the part.
    n_experts: u32,
    // Choices of a row.
    used: u32,
    // 1: an output row sums what its choices give.
    summed: u32,
    // 1: bias is added.
    has_bias: u32,
    // 1: results are added to what is there.
    accumulate: u32,
    // 1: x goes through RMSNorm first, with `eps`. Not summed.
    has_norm: u32,
    // Added to the mean of squares.
    eps: f32,
    // 0: none; 1: SiLU, 2: GELU (tanh) of the first half of the rows, times the second half. Not summed.
    glu: u32,
    // Threads that share a row, 16, 64 or 128.
    lanes: u32,
}
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> norm: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> choices: array<vec2<f32>>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<uniform> params: Params;
#import shared/matvec_fours
#import shared/matvec_block
#import shared/matvec_sums

// A row that is being read.
struct Input {
    start: u32,
}

fn load_x(row: Input, i: u32) -> vec4<f32> {
    return x[row.start + i];
}

fn keep_x(
    row: Input, i: u32,
    x0: vec4<f32>, x1: vec4<f32>, x2: vec4<f32>, x3: vec4<f32>,
    x4: vec4<f32>, x5: vec4<f32>, x6: vec4<f32>, x7: vec4<f32>,
) {
}

// A thread's four rows of an expert: four results, or with a gate two and their gates. All rows are there: see above.
fn rows_of(first: u32) -> vec4<u32> {
    let half = params.n / 2u;
    let plain = min(vec4<u32>(first, first + 1u, first + 2u, first + 3u), vec4<u32>(params.n - 1u));
    let gated = min(vec4<u32>(first, first + 1u, first, first + 1u), vec4<u32>(half - 1u)) + vec4<u32>(0u, 0u, half, half);
    return select(plain, gated, params.glu != 0u);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let lane = lid % params.lanes;
    let each = select(4u, 2u, params.glu != 0u);
    let first = (group.x * (THREADS / params.lanes) + lid / params.lanes) * each;
    let rows = rows_of(first);
    let n = first + lane;
    let count = select(1u, params.used, params.summed != 0u);
    // The row's first choice.
    let choice = group.y * count;
    var stores = lane < each && n < select(params.n, params.n / 2u, params.glu != 0u);
    var before = 0.0;
    if stores {
        let at = group.y * params.out_stride + params.column + n;
        if params.accumulate != 0u {
            before = out[at];
        }
        for (var c = 0u; c < MOST_TURNS; c++) {
            if c >= count {
                break;
            }
            let chosen = choices[choice + c];
            let expert = u32(chosen.x);
            let is_here = expert - params.first_expert < params.n_experts;
            if params.has_bias != 0u && is_here {
                before += select(1.0, chosen.y, params.summed != 0u) * bias[expert * params.out_stride + params.column + n];
            }
            // What another part has is not to be touched.
            stores = is_here || params.summed != 0u;
        }
    }
    var acc = vec4<f32>(0.0);
    var squares = 0.0;
    let block_turns = turns(lane, count * params.k_blocks, params.lanes);
    for (var turn = 0u; turn < MOST_TURNS; turn++) {
        if turn >= block_turns {
            break;
        }
        let i = lane + turn * params.lanes;
        let c = i / params.k_blocks;
        let kb = i - c * params.k_blocks;
        let chosen = choices[choice + c];
        let expert = u32(chosen.x) - params.first_expert;
        if expert < params.n_experts {
            let at = (expert * params.n + rows) * params.k_blocks + kb;
            let w = fetch4(at);
            let input = Input(select(choice / params.used, choice + c, params.summed != 0u) * params.k_blocks * 8u);
            let v = load_activations(input, kb);
            squares += v.squares;
            var sums = vec2<f32>(0.0);
            if HAS_OFFSET {
                let ones = vec4<f32>(1.0);
                sums = vec2<f32>(dot(v.x0 + v.x1 + v.x2 + v.x3, ones), dot(v.x4 + v.x5 + v.x6 + v.x7, ones));
            }
            acc += select(1.0, chosen.y, params.summed != 0u) * vec4<f32>(
                multiplied(w.a, at.x, v, sums), multiplied(w.b, at.y, v, sums),
                multiplied(w.c, at.z, v, sums), multiplied(w.d, at.w, v, sums),
            );
        }
    }
    let total = sum_of_lanes(Sums(acc, squares), lid, params.lanes);
    if stores {
        var y = total.rows;
        if params.has_norm != 0u {
            // Every `lanes` threads saw all of x.
            let once = total.squares * (f32(params.lanes) / f32(THREADS));
            y *= inverseSqrt(once / f32(params.k_blocks * 32u) + params.eps);
        }
        if params.glu != 0u {
            y = activate(y, params.glu == 2u) * y.zwzw;
        }
        out[group.y * params.out_stride + params.column + n] = y[lane] + before;
    }
}
