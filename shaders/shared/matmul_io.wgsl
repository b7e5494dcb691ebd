#import shared/weights
#import shared/result
// What the matrix-matrix products bind, but for x.
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
    // Rows of the batch.
    m: u32,
    // Sums are multiplied by this: the weights' own scale.
    scale: f32,
}
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;
