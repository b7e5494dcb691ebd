// A causal convolution over the rows of each sequence, channel by channel, of T taps:
//   u[p] = x[p], or b[p] x[p] with gates;   z[p] = sum over k < T of w[T - 1 - k] u[p - k], + bias;
//   y[p] = z[p], or c[p] z[p] with gates (LFM2, Liquid AI 2025), or z[p] sigmoid(z[p]) (Mamba, Gu & Dao 2023).
// What u was before the batch is in the sequence's state, its last T - 1, the oldest first; nothing was before its first row.
// The last row of a sequence writes the state after it, into another place than it was read from.
// Shapes: from_to [R] (state read, or NONE; state written; rows of the sequence before this one; its rows),
//   x [R][4 * stride4], of which b, c and x are each C with gates; weight [C][T], bias [C], a state [T - 1][C] and more, out [R][C].
// Grid: (ceil(C/4 / 64), R), a thread 4 channels.  On the CPU: crate/kernels/recurrent/conv.rs
#import shared/turns
struct Params {
    // C / 4.
    c4: u32,
    // Numbers of a row of x / 4.
    stride4: u32,
    // Where x begins in it, / 4.
    first4: u32,
    // T, at least 2.
    taps: u32,
    // Numbers of a state / 4, which begins with the [T - 1][C].
    state4: u32,
    // 1: rows begin with b, then c.
    gates: u32,
    // 1: bias is added.
    has_bias: u32,
    // 1: results go through SiLU.
    silu: u32,
}
@group(0) @binding(0) var<storage, read> from_to: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> states: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(6) var<uniform> params: Params;
#import shared/activation
#import shared/no_state

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let i = group.x * 64u + lid;
    if i >= params.c4 {
        return;
    }
    let at = from_to[group.y];
    let taps = params.taps;
    let held = taps - 1u;
    let is_last = at.z + 1u == at.w;
    var sum = vec4<f32>(0.0);
    if params.has_bias != 0u {
        sum = bias[i];
    }
    for (var k = 0u; k < MOST_TURNS; k++) {
        if k >= taps {
            break;
        }
        var u = vec4<f32>(0.0);
        if k <= at.z {
            let row = (group.y - k) * params.stride4;
            u = x[row + params.first4 + i];
            if params.gates != 0u {
                u *= x[row + i];
            }
        } else if at.x != NONE {
            u = states[at.x * params.state4 + (held - (k - at.z)) * params.c4 + i];
        }
        let w = 4u * i * taps + held - k;
        sum += u * vec4<f32>(weight[w], weight[w + taps], weight[w + 2u * taps], weight[w + 3u * taps]);
        if is_last && k < held {
            states[at.y * params.state4 + (held - 1u - k) * params.c4 + i] = u;
        }
    }
    if params.gates != 0u {
        sum *= x[group.y * params.stride4 + params.c4 + i];
    }
    if params.silu != 0u {
        sum = activate(sum, false);
    }
    out[group.y * params.c4 + i] = sum;
}
