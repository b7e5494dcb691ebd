// 32 activations, all of them for every thread; a thread loads those of its share through the kernel's
// x_vector(start, i): vector i of the row of x that starts at `start`.
struct X32 {
    v0: vec4<f32>, v1: vec4<f32>, v2: vec4<f32>, v3: vec4<f32>,
    v4: vec4<f32>, v5: vec4<f32>, v6: vec4<f32>, v7: vec4<f32>,
}
