// The parts of a split attention (see shared/merge_apart.wgsl) put together: see shared/merge.wgsl.
// Shapes: parts [R][n_heads][splits][dim4 + 1] vectors, the last of each (top, total, 0, 0); out [R][n_heads][dim4].
// Grid: (n_heads, R).  dim4 <= 64, splits <= 128.  Mirror: crate/kernels/attention/combine.rs
#import shared/reduce_tree
#import shared/merge
struct Params {
    // head_dim / 4.
    dim4: u32,
    // Parts of a head.
    splits: u32,
}
@group(0) @binding(0) var<storage, read> parts: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;

const LOWEST: f32 = -3.0e38;

var<workgroup> heads: array<f32, 192>;
var<workgroup> q_tile: array<vec4<f32>, 64>;

fn part_tail(first: u32, splits: u32, dim4: u32, s: u32) -> vec2<f32> {
    if s < splits {
        return parts[first + s * (dim4 + 1u) + dim4].xy;
    }
    return vec2<f32>(LOWEST, 0.0);
}

fn part_tails(first: u32, splits: u32, dim4: u32, lid: u32) -> vec4<f32> {
    return vec4<f32>(part_tail(first, splits, dim4, lid), part_tail(first, splits, dim4, lid + 64u));
}

// A vector of part s; zeros past the last part.
fn part_vector(at: u32, splits: u32, dim4: u32, s: u32) -> vec4<f32> {
    let v = parts[at + min(s, splits - 1u) * (dim4 + 1u)];
    return select(vec4<f32>(0.0), v, s < splits);
}

fn part_vectors(first: u32, splits: u32, dim4: u32, d4: u32, s: u32, each: u32) -> Parts {
    let at = first + d4;
    return Parts(
        part_vector(at, splits, dim4, s),
        part_vector(at, splits, dim4, s + each),
        part_vector(at, splits, dim4, s + 2u * each),
        part_vector(at, splits, dim4, s + 3u * each),
    );
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lid: u32,
) {
    let head = group.y * groups.x + group.x;
    let dim4 = params.dim4;
    let v = merged(head * params.splits * (dim4 + 1u), params.splits, dim4, lid);
    if lid < dim4 {
        out[head * dim4 + lid] = v;
    }
}
