// Gated activation (Shazeer 2020):  out[r][i] = act(gate[r][i]) * up[r][i]
//   SiLU: g * sigmoid(g);   GELU in its tanh form: g * sigmoid(2*sqrt(2/pi)*(g + 0.044715 g^3))
// Shapes: gate_up [R][2*F] (gate first), out [R][F]; F % 4 == 0.
// Grid: (ceil(F/4 / 64), R), a thread 4 elements.  Mirror: crate/cpu/glu.rs
struct Params {
    f4: u32,
    gelu: u32,
}
@group(0) @binding(0) var<storage, read> gate_up: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let i = group.x * 64u + lid;
    if i >= params.f4 {
        return;
    }
    let gate = gate_up[group.y * 2u * params.f4 + i];
    let up = gate_up[group.y * 2u * params.f4 + params.f4 + i];
    var z = gate;
    if params.gelu != 0u {
        z = 1.5957691216057308 * (gate + 0.044715 * gate * gate * gate);
    }
    // The clamp keeps exp finite: some drivers turn inf / inf into NaN.
    out[group.y * params.f4 + i] = gate * up / (1.0 + exp(-clamp(z, vec4<f32>(-80.0), vec4<f32>(80.0))));
}
