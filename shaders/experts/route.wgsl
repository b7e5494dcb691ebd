// Which experts a row takes, and what their results count (Shazeer et al. 2017), of the router's products z:
//   p = softmax(z), or sigmoid(z), or z;   those of the `used` largest p + bias, the largest first;
//   their weights: p (or the softmax of theirs), divided by their sum with `normed`, times `scale`, and each times its factor.
// With groups (DeepSeek-V3) only experts of the best groups count: by the sum of a group's two best p + bias.
// Of equal ones the first is the larger; what is no number is the largest.
// Shapes: z [R][stride] (the experts' from `first` on), bias [N], factors [N], choices [R][used] (expert, weight); N <= 512.
// Grid: (1, R), a workgroup a row.  On the CPU: crate/kernels/experts/route.rs
#import shared/turns
struct Params {
    // Experts, N.
    n: u32,
    // Length of a row of z.
    stride: u32,
    // Where in it the experts' begin.
    first: u32,
    // Experts that a row takes.
    used: u32,
    // 1: softmax; 2: sigmoid; 3: the softmax of those that were chosen.
    scores: u32,
    // 1: weights are divided by their sum.
    normed: u32,
    // 1: bias is added to choose.
    has_bias: u32,
    // Groups, which divide the experts evenly; 1 without groups.
    groups: u32,
    // How many of them count.
    groups_used: u32,
    // Weights are multiplied by this.
    scale: f32,
    // 1: and by the experts' factors.
    has_factors: u32,
}
@group(0) @binding(0) var<storage, read> z: array<f32>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read> factors: array<f32>;
@group(0) @binding(3) var<storage, read_write> choices: array<vec2<f32>>;
@group(0) @binding(4) var<uniform> params: Params;

const MOST: u32 = 512u;
const LEAST: f32 = -3.0e38;
const FIRST: f32 = 3.0e38;
// By expert: what it is multiplied by, and what it is chosen by.
var<workgroup> weight: array<f32, MOST>;
var<workgroup> score: array<f32, MOST>;
// By group.
var<workgroup> best: array<f32, MOST>;
// By rank.
var<workgroup> chosen: array<f32, MOST>;
var<workgroup> factor: array<f32, MOST>;

// Looked at as bits: see shared/no_number.wgsl.
fn is_nan(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

// The largest z, and the sum of exp(z - it).
fn soft(at: u32) -> vec2<f32> {
    var most = z[at];
    let end = params.n;
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= end {
            break;
        }
        most = max(most, z[at + i]);
    }
    var sum = 0.0;
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= end {
            break;
        }
        sum += exp(z[at + i] - most);
    }
    return vec2<f32>(most, sum);
}

// The same of those that were chosen, the largest of which is the first where nothing was added to choose.
fn soft_chosen() -> vec2<f32> {
    var most = chosen[0];
    let end = params.used;
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= end {
            break;
        }
        most = max(most, chosen[i]);
    }
    var sum = 0.0;
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= end {
            break;
        }
        sum += exp(chosen[i] - most);
    }
    return vec2<f32>(most, sum);
}

fn sum_chosen() -> f32 {
    var sum = 0.0;
    let end = params.used;
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= end {
            break;
        }
        sum += chosen[i];
    }
    return sum;
}

// The sum of the two largest scores of a group.
fn best_two(group: u32) -> f32 {
    let each = params.n / params.groups;
    var a = LEAST;
    var b = LEAST;
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= each {
            break;
        }
        let s = score[group * each + i];
        b = max(b, min(a, s));
        a = max(a, s);
    }
    return a + select(0.0, b, each > 1u);
}

// How many of the first `n` come before number i.
fn rank_of(i: u32, n: u32, groups: bool) -> u32 {
    var rank = 0u;
    for (var j = 0u; j < MOST_TURNS; j++) {
        if j >= n {
            break;
        }
        var mine = score[i];
        var other = score[j];
        if groups {
            mine = best[i];
            other = best[j];
        }
        rank += select(0u, 1u, other > mine || (other == mine && j < i));
    }
    return rank;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let at = group.y * params.stride + params.first;
    var whole = vec2<f32>(0.0, 1.0);
    if params.scores == 1u {
        whole = soft(at);
    }
    let mine = turns(lid, params.n, 64u);
    for (var turn = 0u; turn < MOST_TURNS; turn++) {
        if turn >= mine {
            break;
        }
        let i = lid + 64u * turn;
        var p = z[at + i];
        if params.scores == 1u {
            p = exp(p - whole.x) / whole.y;
        } else if params.scores == 2u {
            p = 1.0 / (1.0 + exp(-clamp(p, -80.0, 80.0)));
        }
        var s = p;
        if params.has_bias != 0u {
            s += bias[i];
        }
        // What is no number comes first and counts as none, so that the logits tell of it.
        if is_nan(z[at + i]) || is_nan(s) {
            p = select(s, z[at + i], is_nan(z[at + i]));
            s = FIRST;
        }
        weight[i] = p;
        score[i] = s;
    }
    workgroupBarrier();
    if params.groups > 1u {
        let each = params.n / params.groups;
        let some = turns(lid, params.groups, 64u);
        for (var turn = 0u; turn < MOST_TURNS; turn++) {
            if turn >= some {
                break;
            }
            best[lid + 64u * turn] = best_two(lid + 64u * turn);
        }
        workgroupBarrier();
        for (var turn = 0u; turn < MOST_TURNS; turn++) {
            if turn >= mine {
                break;
            }
            let i = lid + 64u * turn;
            if rank_of(i / each, params.groups, true) >= params.groups_used {
                score[i] = LEAST;
            }
        }
        workgroupBarrier();
    }
    for (var turn = 0u; turn < MOST_TURNS; turn++) {
        if turn >= mine {
            break;
        }
        let i = lid + 64u * turn;
        let rank = rank_of(i, params.n, false);
        if rank < params.used {
            chosen[rank] = weight[i];
            factor[rank] = 1.0;
            if params.has_factors != 0u {
                factor[rank] = factors[i];
            }
            choices[group.y * params.used + rank].x = f32(i);
        }
    }
    workgroupBarrier();
    var whole_chosen = vec2<f32>(0.0, 1.0);
    if params.scores == 3u {
        whole_chosen = soft_chosen();
    } else if params.normed != 0u {
        // As others have it: the least normal number of f16.
        whole_chosen.y = max(sum_chosen(), 6.103515625e-5);
    }
    let last = turns(lid, params.used, 64u);
    for (var turn = 0u; turn < MOST_TURNS; turn++) {
        if turn >= last {
            break;
        }
        let i = lid + 64u * turn;
        var p = chosen[i];
        if params.scores == 3u {
            p = exp(p - whole_chosen.x);
        }
        choices[group.y * params.used + i].y = p / whole_chosen.y * params.scale * factor[i];
    }
}
