#import shared/matvec
#import shared/result
// A matrix-vector kernel's input as it lies in memory, and what else is bound.
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> norm: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> rows: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<uniform> params: Params;

// Where row r of x starts.
fn x_start(r: u32) -> u32 {
    var row = r;
    if params.gather != 0u {
        row = rows[r];
    }
    return row * params.k_blocks * 8u;
}

// A row that is being read.
struct Input {
    start: u32,
}

fn open_x(r: u32, lid: u32, keeps: bool) -> Input {
    return Input(x_start(r));
}

// Vector i of the row.
fn load_x(row: Input, i: u32) -> vec4<f32> {
    return x[row.start + i];
}

// What becomes of a block's vectors besides: nothing.
fn keep_x(
    row: Input, i: u32,
    x0: vec4<f32>, x1: vec4<f32>, x2: vec4<f32>, x3: vec4<f32>,
    x4: vec4<f32>, x5: vec4<f32>, x6: vec4<f32>, x7: vec4<f32>,
) {
}

fn keep_pair(row: Input, i: u32, x0: vec4<f32>, x1: vec4<f32>) {
}
