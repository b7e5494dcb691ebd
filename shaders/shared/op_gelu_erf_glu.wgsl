// x/2 erfc(-x/√2) as max(x, 0) - |x|/2 erfc(|x|/√2), with erfc(a) = t exp(P(t) - a^2), t = 1/(1 + a/2) (Press et al.).
// The same on the CPU: crate/kernels/elementwise/mod.rs
fn op(gate: vec4<f32>, up: vec4<f32>) -> vec4<f32> {
    let size = abs(gate);
    let a = min(size * 0.7071067811865476, vec4<f32>(6.0));
    let t = 1.0 / (1.0 + 0.5 * a);
    var p = 0.17087277 * t - 0.82215223;
    p = p * t + 1.48851587;
    p = p * t - 1.13520398;
    p = p * t + 0.27886807;
    p = p * t - 0.18628806;
    p = p * t + 0.09678418;
    p = p * t + 0.37409196;
    p = p * t + 1.00002368;
    p = p * t - 1.26551223;
    return (max(gate, vec4<f32>(0.0)) - 0.5 * size * t * exp(p - a * a)) * up;
}
