#import shared/turns
#import shared/matvec
// A matrix-vector kernel's input where the norm of a projection p is still to be added to the stream (as rmsnorm.wgsl
// would, with accumulate):  x'[r] = x[r] + p[r] * rsqrt(mean(p[r]^2) + eps) * post
// Shapes: x, p, x_next [R][K], post [K]. x' goes to x_next, as other workgroups still read x.
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> p: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> norm: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> post: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<storage, read_write> x_next: array<vec4<f32>>;
@group(0) @binding(8) var<uniform> params: Params;

// A row that is being read; a thread that keeps it writes the blocks that it loads.
struct Input {
    start: u32,
    scale: f32,
    keeps: bool,
}

// All threads of a workgroup come here, for the same row.
fn open_x(r: u32, lid: u32, keeps: bool) -> Input {
    let length = params.k_blocks * 8u;
    let start = r * length;
    var squares = 0.0;
    let i_turns = turns(lid, length, THREADS);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns {
            break;
        }
        let i = lid + i_turn * THREADS;
        let v = p[start + i];
        squares += dot(v, v);
    }
    let mean = sum_of_lanes(Sums(Rows(0.0), squares), lid, THREADS).squares / f32(length * 4u);
    workgroupBarrier();
    return Input(start, inverseSqrt(mean + params.eps), keeps);
}

// Vector i of x'.
fn load_x(row: Input, i: u32) -> vec4<f32> {
    let at = row.start + i;
    return x[at] + p[at] * row.scale * post[i];
}

// Writes a block of x' once all of it is loaded, so that loads need not wait for each other.
fn keep_x(
    row: Input, i: u32,
    x0: vec4<f32>, x1: vec4<f32>, x2: vec4<f32>, x3: vec4<f32>,
    x4: vec4<f32>, x5: vec4<f32>, x6: vec4<f32>, x7: vec4<f32>,
) {
    if row.keeps {
        let at = row.start + i;
        x_next[at] = x0;
        x_next[at + 1u] = x1;
        x_next[at + 2u] = x2;
        x_next[at + 3u] = x3;
        x_next[at + 4u] = x4;
        x_next[at + 5u] = x5;
        x_next[at + 6u] = x6;
        x_next[at + 7u] = x7;
    }
}

// There is no binding left for a bias: see result.wgsl.
fn due(r: u32, n: u32) -> vec2<f32> {
    return vec2<f32>(0.0);
}

fn leave(r: u32, n: u32, result: f32, due: vec2<f32>) {
    out[r * params.out_stride + params.column + n] = result;
}

// As keep_x, of two vectors.
fn keep_pair(row: Input, i: u32, x0: vec4<f32>, x1: vec4<f32>) {
    if row.keeps {
        let at = row.start + i;
        x_next[at] = x0;
        x_next[at + 1u] = x1;
    }
}
