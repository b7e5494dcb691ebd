fn op(gate: vec4<f32>, up: vec4<f32>) -> vec4<f32> {
    return up / (1.0 + exp(-clamp(gate, vec4<f32>(-80.0), vec4<f32>(80.0))));
}
