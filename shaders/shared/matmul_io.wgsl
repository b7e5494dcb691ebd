#import shared/weights
#import shared/result
// What the matrix-matrix products bind, but for x.
struct Params {
    planes: vec4<u32>,
    n: u32,
    k_blocks: u32,
    out_stride: u32,
    column: u32,
    has_bias: u32,
    accumulate: u32,
    m: u32,
}
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;
