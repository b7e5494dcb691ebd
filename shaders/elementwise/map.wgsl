// An operation on the halves of each row, number by number:  out[r][i] = op(x[r][i], x[r][N + i])
//   …_glu: gated activations (Shazeer 2020), op(gate, up) = act(gate) * up.   Without a gate, op(x[r][i], 1) = act(x[r][i])
//   silu, gelu: shared/activation.wgsl.   gelu_erf: x/2 (1 + erf(x/√2)).   relu2: max(x, 0)^2 (So et al. 2021).   xielu (Huang & Schlag 2025):
//   x > 0: a x^2 + b x,   else c (exp(min(x, eps)) - 1 - x) + b x.   clamp: max(-a, min(x, a)).
//   limited (gpt-oss, OpenAI 2025): g sigmoid(a g) (u + 1), g = min(x, c), u within c of 0
// Shapes: x [R][2*N], or [R][N] without a gate, out [R][N]; N % 4 == 0.
// Grid: (ceil(N/4 / 64), R), a thread 4 elements.  On the CPU: crate/kernels/elementwise/mod.rs
struct Params {
    // XIELU's a, c, b and eps; the clamp's a; a and c of the limited one.
    curve: vec4<f32>,
    // N / 4.
    n4: u32,
    // 1: rows hold a gate, then what it gates; 2: the other way round.
    gated: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;
#import shared/op_{op}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let i = group.x * 64u + lid;
    if i >= params.n4 {
        return;
    }
    if params.gated == 0u {
        out[group.y * params.n4 + i] = op(x[group.y * params.n4 + i], vec4<f32>(1.0));
        return;
    }
    let at = group.y * params.n4 * 2u + i;
    let gate = at + select(0u, params.n4, params.gated == 2u);
    let up = at + select(params.n4, 0u, params.gated == 2u);
    out[group.y * params.n4 + i] = op(x[gate], x[up]);
}
