// Mamba's state space (Gu & Dao 2023), row after row of a sequence. Of each channel, whose number is x, with a state of N:
//   dt = softplus(dt),   s[n] = exp(dt a[n]) s[n] + dt x b[n],   out = sum over n of s[n] c[n] + d x
// All channels share b and c. A thread has 4 n of a channel, and it is the same arithmetic however a sequence is cut.
// Shapes: x, dt and out [R][C]; bc [R][stride], of which b [N] from `first` on, then c [N]; channels [C][N]: a, then [C]: d;
// a state is [C][N]; C and N are multiples of 4, N is at most 256.
// Grid: (ceil(C / floor(64 / (N/4))), any): workgroups beside each other take sequences in turns, those of a row N/4 threads
// for a channel.  On the CPU: crate/kernels/recurrent/selective_scan.rs
struct Params {
    // R.
    rows: u32,
    // C.
    channels: u32,
    // N / 4.
    n4: u32,
    // Numbers of a row of bc.
    stride: u32,
    // Where b begins in it.
    first: u32,
    // Numbers of a state / 4.
    state4: u32,
    // Where [C][N] begins in it, / 4.
    first4: u32,
    // The grid's second number.
    beside: u32,
}
@group(0) @binding(0) var<storage, read> from_to: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dt: array<f32>;
@group(0) @binding(3) var<storage, read> bc: array<f32>;
@group(0) @binding(4) var<storage, read> channels: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> states: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<uniform> params: Params;
#import shared/caller_any
#import shared/sequences
#import shared/softplus

// Rows between two barriers.
const TURN: u32 = 8u;
// dt and dt x of those rows, for each channel.
var<workgroup> steps: array<vec2<f32>, 512>;
// What each thread's n give of the sums.
var<workgroup> parts: array<f32, 512>;

fn four(at: u32) -> vec4<f32> {
    return vec4<f32>(bc[at], bc[at + 1u], bc[at + 2u], bc[at + 3u]);
}

fn walk(at: vec4<u32>, first: u32, group: u32, lid: u32, lane: u32) {
    let n4 = params.n4;
    let each = 64u / n4;
    let begin = group * each;
    let i = lid % n4;
    let channel = begin + lid / n4;
    let works = lid / n4 < each && channel < params.channels;
    let count = min(each, params.channels - min(begin, params.channels));
    let place = params.first4 + channel * n4 + i;
    var a = vec4<f32>(0.0);
    var s = vec4<f32>(0.0);
    if works {
        a = channels[channel * n4 + i];
        if at.x != NONE {
            s = states[at.x * params.state4 + place];
        }
    }
    for (var turn = 0u; turn < MOST_TURNS; turn++) {
        if turn * TURN >= at.w {
            break;
        }
        let begin_row = first + turn * TURN;
        let rows = min(TURN, at.w - turn * TURN);
        let step_turns = turns(lid, rows * count, 64u);
        for (var k = 0u; k < MOST_TURNS; k++) {
            if k >= step_turns {
                break;
            }
            let to = lid + k * 64u;
            let number = (begin_row + to / count) * params.channels + begin + to % count;
            let step = softplus(dt[number]);
            steps[to] = vec2<f32>(step, step * x[number]);
        }
        workgroupBarrier();
        if works {
            for (var t = 0u; t < TURN; t++) {
                if t >= rows {
                    break;
                }
                let step = steps[t * count + lid / n4];
                let b = (begin_row + t) * params.stride + params.first + 4u * i;
                s = s * exp(step.x * a) + step.y * four(b);
                parts[t * 64u + lid] = dot(s, four(b + 4u * n4));
            }
        }
        workgroupBarrier();
        for (var k = 0u; k < MOST_TURNS; k++) {
            if k >= step_turns {
                break;
            }
            let to = lid + k * 64u;
            let mine = to % count;
            let own_parts = to / count * 64u + mine * n4;
            var sum = 0.0;
            for (var j = 0u; j < MOST_TURNS; j++) {
                if j >= n4 {
                    break;
                }
                sum += parts[own_parts + j];
            }
            let own = begin + mine;
            let d = channels[params.channels * n4 + own / 4u][own % 4u];
            let number = (begin_row + to / count) * params.channels + own;
            out[number] = sum + d * x[number];
        }
    }
    if works {
        states[at.y * params.state4 + place] = s;
    }
}
