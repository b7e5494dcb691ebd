// A gated delta net (Yang, Kautz & Hatamizadeh 2024) over a prompt's rows, block by block of each sequence (Yang et al. 2024,
// "Parallelizing linear transformers with the delta rule over sequence length"). Of a head's state s before a block, and with
// steps and pairs of delta_ready.wgsl, of which a row t has those of each j before it:
//   d[t] = beta v - (beta E / |k|) s k - sum of pairs[j].x d[j],   out[t] = (E / (|q| √N)) s q + sum of pairs[j].y d[j], and of its own,
//   s = E s + sum of d (r / |k|) kᵀ, with E of the last row
// The inverse of a triangle that the paper forms is not needed where each thread solves for its own column. A thread has one number
// of v, of all rows of a block, and for each four of k that it reads of s two products with all of them: it waits for no other, and
// what it multiplies by is the same for a workgroup.
// Shapes: from_to, qkv and states as in delta.wgsl; steps [R][H]; pairs [R][H][16]; out [R][H][N]; N is a multiple of 4.
// Grid: (H * ceil(N/64), any): workgroups beside each other take sequences in turns, those of a row 64 numbers of v of a head.
// On the CPU: crate/kernels/recurrent/delta_blocks.rs
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
    // Numbers of a row of qkv / 4.
    stride4: u32,
    // Numbers of a state / 4.
    state4: u32,
    // Where [H][N][N] begins in it, / 4.
    first4: u32,
    // The grid's second number.
    beside: u32,
}
@group(0) @binding(0) var<storage, read> from_to: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> steps: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> pairs: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> states: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;
#import shared/sequences

fn walk(at: vec4<u32>, first: u32, group: u32, lid: u32) {
    let n4 = params.n4;
    let each = (4u * n4 + 63u) / 64u;
    let head = group / each;
    let own = group % each * 64u + lid;
    let works = own < 4u * n4;
    let column = min(own, 4u * n4 - 1u);
    let q4 = head / params.per_key % params.keys * n4;
    let k4 = q4 + params.keys * n4;
    let v4 = (2u * params.keys + head) * n4 + column / 4u;
    let place = params.first4 + (head * 4u * n4 + column) * n4;
    let to = at.y * params.state4 + place;
    // The state is where it is written, but for the first time.
    var is_there = works && at.x != NONE;
    var read = select(to, at.x * params.state4 + place, at.x != NONE);
    let end = first + at.w;
    var begin = first;
    for (var turn = 0u; turn < MOST_TURNS; turn++) {
        if begin >= end {
            break;
        }
        let inside = begin % BLOCK;
        let count = min(end - begin, BLOCK - inside);
        let last = begin + count - 1u;
        // What k finds, then what is learnt; and what q finds.
        var d: array<f32, 16>;
        var found: array<f32, 16>;
        for (var t = 0u; t < BLOCK; t++) {
            d[t] = 0.0;
            found[t] = 0.0;
        }
        for (var i = 0u; i < MOST_TURNS; i++) {
            if i >= n4 {
                break;
            }
            var s = vec4<f32>(0.0);
            if is_there {
                s = states[read + i];
            }
            // Behind the last row it is repeated, and nothing is learnt of it.
            for (var t = 0u; t < BLOCK; t++) {
                let base = min(begin + t, last) * params.stride4 + i;
                d[t] += dot(s, qkv[base + k4]);
                found[t] += dot(s, qkv[base + q4]);
            }
        }
        for (var t = 0u; t < BLOCK; t++) {
            let row = min(begin + t, last);
            let at_row = row * params.heads + head;
            let pair = at_row * BLOCK + inside;
            let step = steps[at_row];
            var learnt = step.x * qkv[row * params.stride4 + v4][column % 4u] - step.y * d[t];
            var sum = step.z * found[t];
            for (var j = 0u; j < BLOCK; j++) {
                if j < t && t < count {
                    let both = pairs[pair + j];
                    learnt -= both.x * d[j];
                    sum += both.y * d[j];
                }
            }
            d[t] = select(0.0, learnt, t < count);
            if t < count && works {
                out[at_row * 4u * n4 + column] = sum + pairs[pair + t].y * learnt;
            }
        }
        for (var t = 0u; t < BLOCK; t++) {
            d[t] *= steps[min(begin + t, last) * params.heads + head].w;
        }
        let decay = pairs[(last * params.heads + head) * BLOCK + last % BLOCK].x;
        for (var i = 0u; i < MOST_TURNS; i++) {
            if i >= n4 {
                break;
            }
            var s = vec4<f32>(0.0);
            if is_there {
                s = states[read + i];
            }
            s *= decay;
            for (var t = 0u; t < BLOCK; t++) {
                s += d[t] * qkv[min(begin + t, last) * params.stride4 + k4 + i];
            }
            if works {
                states[to + i] = s;
            }
        }
        begin = last + 1u;
        is_there = works;
        read = to;
    }
}
