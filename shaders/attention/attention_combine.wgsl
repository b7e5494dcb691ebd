// The parts of a split attention (see decode_attention.wgsl) put together, as in FlashDecoding (Dao et al. 2023):
//   out[r][h] = sum_s exp(top_s - top) acc_s / sum_s exp(top_s - top) total_s,   top = max_s top_s
// Shapes: parts [R][n_heads][splits][dim4 + 1] vectors, the last of each (top, total, 0, 0); out [R][n_heads][dim4].
// Grid: (n_heads, R).  dim4 <= 64.  Mirror: crate/kernels/attention/combine.rs
struct Params {
    // head_dim / 4.
    dim4: u32,
    // Parts of a head.
    splits: u32,
}
@group(0) @binding(0) var<storage, read> parts: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lid: u32,
) {
    if lid >= params.dim4 {
        return;
    }
    let head = group.y * groups.x + group.x;
    let stride = params.dim4 + 1u;
    let first = head * params.splits * stride;
    var top = parts[first + params.dim4].x;
    for (var s = 1u; s < params.splits; s++) {
        top = max(top, parts[first + s * stride + params.dim4].x);
    }
    var acc = vec4<f32>(0.0);
    var total = 0.0;
    for (var s = 0u; s < params.splits; s++) {
        let sums = parts[first + s * stride + params.dim4];
        let share = exp(sums.x - top);
        acc += share * parts[first + s * stride + lid];
        total += share * sums.y;
    }
    out[head * params.dim4 + lid] = acc / total;
}
