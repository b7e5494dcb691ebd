#import shared/activation
fn op(gate: vec4<f32>, up: vec4<f32>) -> vec4<f32> {
    return activate(gate, false) * up;
}
