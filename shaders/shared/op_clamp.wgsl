fn op(gate: vec4<f32>, up: vec4<f32>) -> vec4<f32> {
    return clamp(gate, vec4<f32>(-params.curve.x), vec4<f32>(params.curve.x)) * up;
}
