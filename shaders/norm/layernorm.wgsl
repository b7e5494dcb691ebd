// LayerNorm (Ba, Kiros & Hinton 2016):  y = (x - mean(x)) * rsqrt(var(x) + eps) * weight + bias
// var is the mean of the squared distances from the mean, summed once that is known: nothing cancels where it is large.
// Shapes: x [R][K], weight [K], bias [K], out [R][K]; K % 4 == 0.
// Grid: (1, R), a workgroup a row.  Mirror: crate/kernels/norm/mod.rs
struct Params {
    // Row length / 4.
    k4: u32,
    // Added to the variance.
    eps: f32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> params: Params;
#import shared/reduce_{reduce}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let start = group.y * params.k4;
    let k = f32(params.k4 * 4u);
    var sums = vec4<f32>(0.0);
    for (var i = lid; i < params.k4; i += 64u) {
        sums += x[start + i];
    }
    let mean = workgroup_sum(sums.x + sums.y + sums.z + sums.w, lid) / k;
    var squares = vec4<f32>(0.0);
    for (var i = lid; i < params.k4; i += 64u) {
        let v = x[start + i] - mean;
        squares += v * v;
    }
    let total = workgroup_sum(squares.x + squares.y + squares.z + squares.w, lid);
    let scale = inverseSqrt(total / k + params.eps);
    for (var i = lid; i < params.k4; i += 64u) {
        out[start + i] = (x[start + i] - mean) * scale * weight[i] + bias[i];
    }
}
