// A gated delta net (Yang, Kautz & Hatamizadeh 2024), row after row of a sequence. Of each head, whose state s is [v][k], with
// q / |q| and k / |k| of the numbers that are there (their squares' sum and eps under the root):
//   e = exp(a softplus(alpha + bias)),   d = sigmoid(beta) (v - e s k),   s = e s + d kᵀ,   out = s q / √N
// The state after a row is not needed for its result, s q = e (s before) q + d (k · q): a row waits for others once. And it is
// the same arithmetic however a sequence is cut.
// Shapes: from_to [R] (state read, or NONE; state written; rows of the sequence before this one; its rows),
//   qkv [R][4 * stride4]: q and k, [keys][N] each, then v [H][N]; head h has the keys of h / per_key % keys; decays [R][stride], pieces of
//   per betas, then per alphas, of per heads each; heads [2][H]: bias, a; out [R][H][N]; N is a multiple of 4, at most 128.
// Grid: (H * ceil(N/16), any): workgroups beside each other take sequences in turns, those of a row 16 numbers of v of a head,
// with 4 threads each, to which k belongs in turns.  On the CPU: crate/kernels/recurrent/delta.rs
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
    // Numbers of a state / 4.
    state4: u32,
    // Where [H][N][N] begins in it, / 4.
    first4: u32,
    // The grid's second number.
    beside: u32,
    // Added to sums of squares.
    eps: f32,
}
@group(0) @binding(0) var<storage, read> from_to: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> decays: array<f32>;
@group(0) @binding(3) var<storage, read> heads: array<f32>;
@group(0) @binding(4) var<storage, read_write> states: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;
#import shared/caller_any
#import shared/sequences
#import shared/delta_step
#import shared/fours_{reduce}

// Rows between two barriers, each of which 8 threads make ready.
const TURN: u32 = 8u;
// A thread's fours of k.
const FOURS: u32 = 8u;
// k · k, q · q and k · q of what a thread has of a row.
var<workgroup> parts: array<vec4<f32>, 64>;
// Of each row: e, sigmoid(beta), 1 / |k|, 1 / (|q| √N).
var<workgroup> steps: array<vec4<f32>, 8>;
// k · q of both as they are used.
var<workgroup> products: array<f32, 8>;

fn walk(at: vec4<u32>, first: u32, group: u32, lid: u32, lane: u32) {
    let n4 = params.n4;
    let each = (4u * n4 + 15u) / 16u;
    let head = group / each;
    let column = group % each * 16u + lid / 4u;
    let works = column < 4u * n4;
    let mine = select(0u, turns(lid % 4u, n4, 4u), works);
    let q4 = head / params.per_key % params.keys * n4;
    let k4 = q4 + params.keys * n4;
    let v4 = (2u * params.keys + head) * n4 + column / 4u;
    let place = params.first4 + (head * 4u * n4 + column) * n4 + lid % 4u;
    var s: array<vec4<f32>, 8>;
    for (var m = 0u; m < FOURS; m++) {
        s[m] = vec4<f32>(0.0);
        if m < mine && at.x != NONE {
            s[m] = states[at.x * params.state4 + place + 4u * m];
        }
    }
    for (var turn = 0u; turn < MOST_TURNS; turn++) {
        if turn * TURN >= at.w {
            break;
        }
        let begin = first + turn * TURN;
        let count = min(TURN, at.w - turn * TURN);
        make_ready(begin, count, head, q4, k4, lid);
        for (var t = 0u; t < TURN; t++) {
            if t >= count {
                break;
            }
            let step = steps[t];
            let base = (begin + t) * params.stride4 + lid % 4u;
            var k: array<vec4<f32>, 8>;
            var sums = vec2<f32>(0.0);
            for (var m = 0u; m < FOURS; m++) {
                k[m] = vec4<f32>(0.0);
                if m < mine {
                    k[m] = qkv[base + k4 + 4u * m];
                    sums += vec2<f32>(dot(s[m], k[m]), dot(s[m], qkv[base + q4 + 4u * m]));
                }
            }
            sums = step.x * sums_of_4(sums, lid);
            if works {
                let v = qkv[(begin + t) * params.stride4 + v4][column % 4u];
                let d = step.y * (v - step.z * sums.x);
                for (var m = 0u; m < FOURS; m++) {
                    s[m] = step.x * s[m] + (step.z * d) * k[m];
                }
                if lid % 4u == 0u {
                    out[((begin + t) * params.heads + head) * 4u * n4 + column] = step.w * sums.y + products[t] * d;
                }
            }
        }
        workgroupBarrier();
    }
    for (var m = 0u; m < FOURS; m++) {
        if m < mine {
            states[at.y * params.state4 + place + 4u * m] = s[m];
        }
    }
}

// What all threads of a workgroup need of these rows.
fn make_ready(begin: u32, count: u32, head: u32, q4: u32, k4: u32, lid: u32) {
    var sums = vec4<f32>(0.0);
    if lid / 8u < count {
        let base = (begin + lid / 8u) * params.stride4 + lid % 8u;
        let fours = turns(lid % 8u, params.n4, 8u);
        for (var m = 0u; m < FOURS; m++) {
            if m >= fours {
                break;
            }
            let q = qkv[base + q4 + 8u * m];
            let k = qkv[base + k4 + 8u * m];
            sums += vec4<f32>(dot(k, k), dot(q, q), dot(k, q), 0.0);
        }
    }
    parts[lid] = sums;
    workgroupBarrier();
    if lid < count {
        var total = vec4<f32>(0.0);
        for (var i = 0u; i < 8u; i++) {
            total += parts[8u * lid + i];
        }
        let step = step_of(begin + lid, head);
        let k = inverseSqrt(total.x + params.eps);
        let q = inverseSqrt(total.y + params.eps) * inverseSqrt(f32(4u * params.n4));
        steps[lid] = vec4<f32>(step, k, q);
        products[lid] = total.z * k * q;
    }
    workgroupBarrier();
}
