fn op(gate: vec4<f32>, up: vec4<f32>) -> vec4<f32> {
    let limit = vec4<f32>(params.curve.y);
    let held = min(gate, limit);
    // The clamp keeps exp finite.
    let z = clamp(params.curve.x * held, vec4<f32>(-80.0), vec4<f32>(80.0));
    return held / (1.0 + exp(-z)) * (clamp(up, -limit, limit) + 1.0);
}
