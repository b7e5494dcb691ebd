// 32 activations, all of them for every thread; a thread loads those of its share through x_vector.
struct X32 {
    v0: vec4<f32>, v1: vec4<f32>, v2: vec4<f32>, v3: vec4<f32>,
    v4: vec4<f32>, v5: vec4<f32>, v6: vec4<f32>, v7: vec4<f32>,
}

// Sum of the squares of what this thread loaded.
var<private> squares: f32;

// Vector i of the row of x that starts at `start`, times its norm weights.
fn x_vector(start: u32, i: u32) -> vec4<f32> {
    let v = x[start + i];
    if params.has_norm != 0u {
        squares += dot(v, v);
        return v * norm[i];
    }
    return v;
}
