// What the rows of a prompt say before a state space (Mamba-2, Dao & Gu 2024) takes them block by block: of each head exp(dt a)
// and dt = softplus(dt + bias), and of each group c · b of a row and every row of its block up to itself, else 0.
// Shapes: xbc [R][stride]: x [H][P], then b and c, [groups][N] each; dt [R][dt_stride], of which H from first_dt on;
// heads [3][H]: bias, a, d; steps [R][H]; pairs [R][groups][32]; P and N are multiples of 4.
// Grid: (ceil((H + 32 groups)/64), R): a thread a number.  On the CPU: crate/kernels/recurrent/scan_ready.rs
#import shared/turns
#import shared/blocks
#import shared/softplus
struct Params {
    // H.
    heads: u32,
    // Groups that share b and c.
    groups: u32,
    // P / 4.
    p4: u32,
    // N / 4.
    n4: u32,
    // Numbers of a row of xbc / 4.
    stride4: u32,
    // Numbers of a row of dt.
    dt_stride: u32,
    // Where its H begin.
    first_dt: u32,
}
@group(0) @binding(0) var<storage, read> xbc: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> dt: array<f32>;
@group(0) @binding(2) var<storage, read> heads: array<f32>;
@group(0) @binding(3) var<storage, read_write> steps: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> pairs: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let row = group.y;
    let i = group.x * 64u + lid;
    if i < params.heads {
        let step = softplus(dt[row * params.dt_stride + params.first_dt + i] + heads[i]);
        steps[row * params.heads + i] = vec2<f32>(exp(step * heads[params.heads + i]), step);
        return;
    }
    let pair = i - params.heads;
    if pair >= BLOCK * params.groups {
        return;
    }
    let other = row / BLOCK * BLOCK + pair % BLOCK;
    var sum = vec4<f32>(0.0);
    if other <= row {
        let first = params.heads * params.p4 + pair / BLOCK * params.n4;
        let b4 = other * params.stride4 + first;
        let c4 = row * params.stride4 + first + params.groups * params.n4;
        for (var k = 0u; k < MOST_TURNS; k++) {
            if k >= params.n4 {
                break;
            }
            sum += xbc[b4 + k] * xbc[c4 + k];
        }
    }
    pairs[row * params.groups * BLOCK + pair] = (sum.x + sum.y) + (sum.z + sum.w);
}
