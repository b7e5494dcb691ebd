// The bindings of a weight part and what its format file needs (see crate/quant: plane layout).
@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> weights_u32: array<u32>;

// 32 elements as eight words of four signed int8: w[e] = scale[e/16]*q[e] + offset[e/16].
struct Packed {
    q0: u32, q1: u32, q2: u32, q3: u32, q4: u32, q5: u32, q6: u32, q7: u32,
    scale: vec2<f32>,
    offset: vec2<f32>,
}

// 32 elements as eight vectors: w[e] = scale[e/16]*v[e] + offset[e/16].
struct Block {
    v0: vec4<f32>, v1: vec4<f32>, v2: vec4<f32>, v3: vec4<f32>,
    v4: vec4<f32>, v5: vec4<f32>, v6: vec4<f32>, v7: vec4<f32>,
    scale: vec2<f32>,
    offset: vec2<f32>,
}

// Where plane i (1..3) starts, in u32 words; plane 0 starts at 0.
fn plane_offset(i: u32) -> u32 {
    return params.planes[i];
}
