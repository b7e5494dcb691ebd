fn op(gate: vec4<f32>, up: vec4<f32>) -> vec4<f32> {
    let positive = max(gate, vec4<f32>(0.0));
    return positive * positive * up;
}
