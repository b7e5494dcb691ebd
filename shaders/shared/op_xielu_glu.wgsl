fn op(gate: vec4<f32>, up: vec4<f32>) -> vec4<f32> {
    let curve = params.curve;
    let right = curve.x * gate * gate;
    let left = (exp(min(gate, vec4<f32>(curve.w))) - 1.0 - gate) * curve.y;
    return (select(left, right, gate > vec4<f32>(0.0)) + curve.z * gate) * up;
}
