// What the rows of a prompt say before a gated delta net (Yang, Kautz & Hatamizadeh 2024) takes them block by block. Of each head,
// with the unit vectors q and k and d, e and beta of delta.wgsl, and with E, which all e are from the block's first row of the same
// sequence to this one, and r, which all are behind this row until the block's last row of it:
//   steps: beta, beta E / |k|, E / (|q| √N), r / |k|;   pairs, of a row t and one of its block before it, j, of the same sequence:
//   beta[t] (k[t] · k[j]) and q[t] · k[j] / √N, both by all e from behind j to t;   of t itself E, and q · k / √N;   of other rows 0
// Decays are multiplied in the order of rows, never divided.
// Shapes: from_to, qkv, decays and heads as in delta.wgsl; steps [R][H]; pairs [R][H][16].
// Grid: (H, ceil(R/16)): a workgroup a block of a head, a thread a row j.  On the CPU: crate/kernels/recurrent/delta_ready.rs
#import shared/turns
#import shared/delta_blocks
struct Params {
    // R.
    rows: u32,
    // H.
    heads: u32,
    // N / 4.
    n4: u32,
    // Heads of keys, as of queries.
    keys: u32,
    // Heads beside each other that share a key.
    per_key: u32,
    // Heads of a piece of decays.
    per: u32,
    // Numbers of a row of qkv / 4.
    stride4: u32,
    // Numbers of a row of decays.
    decay_stride: u32,
    // Added to sums of squares.
    eps: f32,
}
@group(0) @binding(0) var<storage, read> from_to: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> decays: array<f32>;
@group(0) @binding(3) var<storage, read> heads: array<f32>;
@group(0) @binding(4) var<storage, read_write> steps: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> pairs: array<vec2<f32>>;
@group(0) @binding(6) var<uniform> params: Params;
#import shared/delta_step

// Of each row: e, beta, 1 / |k|, 1 / (|q| √N).
var<workgroup> said: array<vec4<f32>, 16>;

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) j: u32) {
    let head = group.x;
    let begin = group.y * BLOCK;
    let last = params.rows - 1u;
    let row = min(begin + j, last);
    let q4 = head / params.per_key % params.keys * params.n4;
    let k4 = q4 + params.keys * params.n4;
    var keys: array<f32, 16>;
    var queries: array<f32, 16>;
    for (var t = 0u; t < BLOCK; t++) {
        keys[t] = 0.0;
        queries[t] = 0.0;
    }
    var squares = vec2<f32>(0.0);
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= params.n4 {
            break;
        }
        let k = qkv[row * params.stride4 + k4 + i];
        let q = qkv[row * params.stride4 + q4 + i];
        squares += vec2<f32>(dot(k, k), dot(q, q));
        // These are the same for all threads.
        for (var t = 0u; t < BLOCK; t++) {
            let other = min(begin + t, last) * params.stride4 + i;
            keys[t] += dot(k, qkv[other + k4]);
            queries[t] += dot(k, qkv[other + q4]);
        }
    }
    let scales = vec2<f32>(inverseSqrt(squares.x + params.eps), inverseSqrt(squares.y + params.eps) * inverseSqrt(f32(4u * params.n4)));
    let step = step_of(row, head);
    said[j] = vec4<f32>(step, scales);
    workgroupBarrier();
    if begin + j > last {
        return;
    }
    let at = from_to[row];
    let first = max(begin, row - at.z) - begin;
    let stop = min(row - at.z + at.w - begin, BLOCK);
    var before = 1.0;
    var behind = 1.0;
    for (var t = 0u; t < BLOCK; t++) {
        if t >= first && t <= j {
            before *= said[t].x;
        }
    }
    for (var t = 0u; t < BLOCK; t++) {
        var pair = vec2<f32>(0.0);
        if t == j {
            pair = vec2<f32>(before, queries[t] * scales.x * said[t].w);
        } else if t > j && t < stop {
            behind *= said[t].x;
            let both = scales.x * behind;
            pair = vec2<f32>(said[t].y * said[t].z * both * keys[t], said[t].w * both * queries[t]);
        }
        if begin + t <= last {
            pairs[((begin + t) * params.heads + head) * BLOCK + j] = pair;
        }
    }
    steps[row * params.heads + head] = vec4<f32>(step.y, step.y * before * scales.x, before * scales.y, behind * scales.x);
}
