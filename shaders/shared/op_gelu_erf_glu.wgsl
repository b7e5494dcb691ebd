// x/2 (1 + erf(x/√2)), where erf(z) of -4 to 4 is z P(z²)/Q(z²), within 1e-7.  Its numbers: crate/kernels/elementwise/mod.rs
fn op(gate: vec4<f32>, up: vec4<f32>) -> vec4<f32> {
    let z = clamp(gate * 0.7071067811865476, vec4<f32>(-4.0), vec4<f32>(4.0));
    let s = z * z;
    var p = -2.72614225801306e-10 * s + 2.77068142495902e-8;
    p = p * s - 2.10102402082508e-6;
    p = p * s - 5.69250639462346e-5;
    p = p * s - 7.34990630326855e-4;
    p = p * s - 2.95459980854025e-3;
    p = p * s - 1.60960333262415e-2;
    var q = -1.45660718464996e-5 * s - 2.13374055278905e-4;
    q = q * s - 1.68282697438203e-3;
    q = q * s - 7.37332916720468e-3;
    q = q * s - 1.42647390514189e-2;
    return 0.5 * gate * (1.0 + z * p / q) * up;
}
