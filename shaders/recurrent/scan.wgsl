// Mamba-2's state space (Dao & Gu 2024), row after row of a sequence. Of each head, whose numbers are p and whose state is [p][n]:
//   dt = softplus(dt + bias),   s[p][n] = exp(dt a) s[p][n] + dt x[p] b[n],   out[p] = sum over n of s[p][n] c[n] + d x[p]
// Heads share b and c in groups. A state is kept as [H P/4][N] of four p, so that a thread has 4 p of 4 n in 4 registers, and
// it is the same arithmetic however a sequence is cut.
// Shapes: xbc [R][stride]: x [H][P], then b and c, [groups][N] each; dt [R][dt_stride], of which H from first_dt on;
// heads [3][H]: bias, a, d; out [R][H P]; P and N are multiples of 4, N is at most 256.
// Grid: (ceil(H P/4 / floor(64 / (N/4))), any): workgroups beside each other take sequences in turns, those of a row
// N/4 threads for 4 p.  On the CPU: crate/kernels/recurrent/scan.rs
struct Params {
    // R.
    rows: u32,
    // H.
    heads: u32,
    // P / 4.
    p4: u32,
    // N / 4.
    n4: u32,
    // Heads of a group.
    per_group: u32,
    // Numbers of a row of xbc / 4.
    stride4: u32,
    // Numbers of a row of dt.
    dt_stride: u32,
    // Where its H begin.
    first_dt: u32,
    // Numbers of a state / 4.
    state4: u32,
    // Where [H P/4][N] begins in it, / 4.
    first4: u32,
    // The grid's second number.
    beside: u32,
}
@group(0) @binding(0) var<storage, read> from_to: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> xbc: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dt: array<f32>;
@group(0) @binding(3) var<storage, read> heads: array<f32>;
@group(0) @binding(4) var<storage, read_write> states: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;
#import shared/caller_any
#import shared/sequences
#import shared/softplus

// Rows between two barriers.
const TURN: u32 = 8u;
// exp(dt a) and dt of those rows, for each 4 p.
var<workgroup> steps: array<vec2<f32>, 512>;
// What each thread's n give of the sums.
var<workgroup> parts: array<vec4<f32>, 512>;

fn walk(at: vec4<u32>, first: u32, group: u32, lid: u32, lane: u32) {
    let n4 = params.n4;
    let fours = params.heads * params.p4;
    let each = 64u / n4;
    let begin = group * each;
    let i = lid % n4;
    let four = begin + lid / n4;
    let works = lid / n4 < each && four < fours;
    let count4 = min(each, fours - min(begin, fours));
    let b4 = fours + four / params.p4 / params.per_group * n4 + i;
    let c4 = b4 + params.heads / params.per_group * n4;
    let place = params.first4 + four * 4u * n4 + 4u * i;
    var s0 = vec4<f32>(0.0);
    var s1 = s0;
    var s2 = s0;
    var s3 = s0;
    if works && at.x != NONE {
        let read = at.x * params.state4 + place;
        s0 = states[read];
        s1 = states[read + 1u];
        s2 = states[read + 2u];
        s3 = states[read + 3u];
    }
    for (var turn = 0u; turn < MOST_TURNS; turn++) {
        if turn * TURN >= at.w {
            break;
        }
        let begin_row = first + turn * TURN;
        let count = min(TURN, at.w - turn * TURN);
        let step_turns = turns(lid, count * count4, 64u);
        for (var k = 0u; k < MOST_TURNS; k++) {
            if k >= step_turns {
                break;
            }
            let to = lid + k * 64u;
            let head = (begin + to % count4) / params.p4;
            let raw = dt[(begin_row + to / count4) * params.dt_stride + params.first_dt + head];
            let step = softplus(raw + heads[head]);
            steps[to] = vec2<f32>(exp(step * heads[params.heads + head]), step);
        }
        workgroupBarrier();
        if works {
            for (var t = 0u; t < TURN; t++) {
                if t >= count {
                    break;
                }
                let step = steps[t * count4 + lid / n4];
                let base = (begin_row + t) * params.stride4;
                let x = xbc[base + four] * step.y;
                let b = xbc[base + b4];
                let c = xbc[base + c4];
                s0 = s0 * step.x + x * b.x;
                s1 = s1 * step.x + x * b.y;
                s2 = s2 * step.x + x * b.z;
                s3 = s3 * step.x + x * b.w;
                parts[t * 64u + lid] = (s0 * c.x + s1 * c.y) + (s2 * c.z + s3 * c.w);
            }
        }
        workgroupBarrier();
        let sum_turns = turns(lid, count * count4 * 4u, 64u);
        for (var k = 0u; k < MOST_TURNS; k++) {
            if k >= sum_turns {
                break;
            }
            let to = lid + k * 64u;
            let lane = to % 4u;
            let mine = to / 4u % count4;
            let t = to / 4u / count4;
            var sum = 0.0;
            for (var j = 0u; j < MOST_TURNS; j++) {
                if j >= n4 {
                    break;
                }
                sum += parts[t * 64u + mine * n4 + j][lane];
            }
            let d = heads[2u * params.heads + (begin + mine) / params.p4];
            let x = xbc[(begin_row + t) * params.stride4 + begin + mine][lane];
            out[((begin_row + t) * fours + begin + mine) * 4u + lane] = sum + d * x;
        }
    }
    if works {
        let to = at.y * params.state4 + place;
        states[to] = s0;
        states[to + 1u] = s1;
        states[to + 2u] = s2;
        states[to + 3u] = s3;
    }
}
