// The states of a state space (Mamba-2, Dao & Gu 2024) at the beginnings of a prompt's blocks: of each head, whose numbers are p
// and whose state is [p][n], s[p][n] = exp(dt a) s[p][n] + dt x[p] b[n]. No row waits for what another makes of its state, and b is
// the same for all threads.
// Shapes: from_to [R] (state read, or NONE; state written; rows of the sequence before this one; its rows);
// xbc [R][stride]: x [H][P], then b and c, [groups][N] each; steps [R][H]: exp(dt a), dt; states: [H P/4][N] of four p each from
// first4 on; kept [ceil(R/32)][N][H P/4] of four p: at a row that begins a block, but no sequence; P and N are multiples of 4.
// Grid: (groups * ceil(H P/4 / groups / 64) * ceil(N/16), any): workgroups beside each other take sequences in turns, those of a
// row 64 fours of p of a group, and 16 n.  On the CPU: crate/kernels/recurrent/scan_states.rs
#import shared/blocks
struct Params {
    // R.
    rows: u32,
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
    // Numbers of a state / 4.
    state4: u32,
    // Where [H P/4][N] begins in it, / 4.
    first4: u32,
    // The grid's second number.
    beside: u32,
}
@group(0) @binding(0) var<storage, read> from_to: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> xbc: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> steps: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> states: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> kept: array<vec4<f32>>;
@group(0) @binding(5) var<uniform> params: Params;
#import shared/caller_any
#import shared/sequences

// Fours of n that a thread has.
const FOURS: u32 = 4u;

fn walk(at: vec4<u32>, first: u32, group: u32, lid: u32, lane: u32) {
    let n4 = params.n4;
    let parts = (n4 + FOURS - 1u) / FOURS;
    let all = params.heads * params.p4;
    let of_group = all / params.groups;
    let each = (of_group + 63u) / 64u;
    let part = group % parts;
    let g = group / parts / each;
    let i = group / parts % each * 64u + lid;
    let works = i < of_group;
    let four = g * of_group + min(i, of_group - 1u);
    let head = four / params.p4;
    let mine = min(FOURS, n4 - part * FOURS);
    let b4 = all + g * n4 + part * FOURS;
    let n = 4u * part * FOURS;
    let place = params.first4 + four * 4u * n4 + n;
    var s: array<vec4<f32>, 16>;
    for (var k = 0u; k < 16u; k++) {
        s[k] = vec4<f32>(0.0);
        if at.x != NONE && k < 4u * mine {
            s[k] = states[at.x * params.state4 + place + k];
        }
    }
    for (var t = 0u; t < MOST_TURNS; t++) {
        if t >= at.w {
            break;
        }
        let row = first + t;
        if row % BLOCK == 0u && t > 0u && works {
            for (var k = 0u; k < 16u; k++) {
                if k < 4u * mine {
                    kept[(row / BLOCK * 4u * n4 + n + k) * all + four] = s[k];
                }
            }
        }
        let step = steps[row * params.heads + head];
        let x = xbc[row * params.stride4 + four] * step.y;
        for (var m = 0u; m < FOURS; m++) {
            if m < mine {
                let b = xbc[row * params.stride4 + b4 + m];
                s[4u * m] = s[4u * m] * step.x + x * b.x;
                s[4u * m + 1u] = s[4u * m + 1u] * step.x + x * b.y;
                s[4u * m + 2u] = s[4u * m + 2u] * step.x + x * b.z;
                s[4u * m + 3u] = s[4u * m + 3u] * step.x + x * b.w;
            }
        }
    }
    for (var k = 0u; k < 16u; k++) {
        if works && k < 4u * mine {
            states[at.y * params.state4 + place + k] = s[k];
        }
    }
}
