// Matrix products by the experts that rows chose (Shazeer et al. 2017), for prefill. The choices are sorted by expert and cut
// into tiles (group.wgsl): a workgroup reads an expert's weights once for up to 32 of them. Choice i is of row i / used; of
// expert e it gives
//   out[i][column + n] = W[e][n] . x[i / each]  (+ bias[e][column + n])
// Shapes: W [experts of the part][N][K], x [choices / each][K], bias [experts][out_stride], order and tiles as there,
// out [choices][out_stride]; K, N % 32 == 0. Of what the part has not nothing is written.
// Grid: (tiles, ceil(N/64)). Tiles are those of matmul_tile.wgsl with 32 rows.
// Mirror: crate/kernels/product/experts_many.rs
#import shared/turns
#import shared/weights
#import formats/{format}
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
    // Choices that share a row of x.
    each: u32,
    // 1: bias is added.
    has_bias: u32,
    // Choices.
    pairs: u32,
    // Tiles that there is room for.
    tiles: u32,
}
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> order: array<u32>;
@group(0) @binding(5) var<storage, read> tiles: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<uniform> params: Params;

const ROWS: u32 = 32u;
// (expert, first in order, count, 0)
var<private> tile: vec4<u32>;
// The choices of the tile; past its end the last one again, which is not stored.
var<workgroup> chosen: array<u32, ROWS>;

fn open_tile(number: u32, lid: u32) -> bool {
    tile = tiles[number];
    let is_here = tiles[number].x - params.first_expert < params.n_experts && tiles[number].z > 0u;
    if lid < ROWS && is_here {
        chosen[lid] = order[tile.y + min(lid, tile.z - 1u)];
    }
    workgroupBarrier();
    return is_here;
}

fn first_row() -> u32 {
    return (tile.x - params.first_expert) * params.n;
}

fn x_row(r: u32) -> u32 {
    return chosen[r] / params.each;
}

fn put_tile(r: u32, n: u32, sum: f32) {
    if r < tile.z {
        var y = sum;
        if params.has_bias != 0u {
            y += bias[tile.x * params.out_stride + params.column + n];
        }
        out[chosen[r] * params.out_stride + params.column + n] = y;
    }
}
#import shared/matmul_tiles
