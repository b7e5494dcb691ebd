// Gated activation (Shazeer 2020):  out[r][i] = act(gate[r][i]) * up[r][i],  act as in shared/activation.wgsl
// Shapes: gate_up [R][2*F] (gate first), out [R][F]; F % 4 == 0.
// Grid: (ceil(F/4 / 64), R), a thread 4 elements.  Mirror: crate/kernels/elementwise/reference/glu.rs
struct Params {
    f4: u32,
    gelu: u32,
}
@group(0) @binding(0) var<storage, read> gate_up: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;
#import shared/activation

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let i = group.x * 64u + lid;
    if i >= params.f4 {
        return;
    }
    let gate = gate_up[group.y * 2u * params.f4 + i];
    let up = gate_up[group.y * 2u * params.f4 + params.f4 + i];
    out[group.y * params.f4 + i] = activate(gate, params.gelu != 0u) * up;
}
