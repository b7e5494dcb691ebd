// A gated delta net (Yang, Kautz & Hatamizadeh 2024) over a prompt's rows, block by block of each sequence (Yang et al. 2024,
// "Parallelizing linear transformers with the delta rule over sequence length"). Of a head's state s before a block, and with
// steps and pairs of delta_ready.wgsl, of which a row t has those of each j before it:
//   d[t] = beta v - (beta E / |k|) s k - sum of pairs[j].x d[j],   out[t] = (E / (|q| √N)) s q + sum of pairs[j].y d[j], and of its own,
//   s = E s + sum of d (r / |k|) kᵀ, with E of the last row
// The inverse of a triangle that the paper forms is not needed where each thread solves for its own column. A thread has one number
// of v, of all rows of a block, and for each four of k that it reads of s two products with all of them: it waits for no other, and
// what it multiplies by is the same for a workgroup: as in matvec_rows.wgsl, lanes may load an eighth each and broadcast it.
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
#import shared/share_{x}
#import shared/sequences

// A four of a key or query. Behind its last that one is repeated, and meets zeros of the state.
fn x_vector(start: u32, i: u32) -> vec4<f32> {
    return qkv[start + min(i, params.n4 - 1u)];
}

// Eight fours of a state, zeros behind its last.
fn state_of(is_there: bool, start: u32, i: u32) -> X32 {
    var s: array<vec4<f32>, 8>;
    for (var m = 0u; m < 8u; m++) {
        s[m] = vec4<f32>(0.0);
        if is_there && i + m < params.n4 {
            s[m] = states[start + i + m];
        }
    }
    return X32(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]);
}

fn product_of(a: X32, b: X32) -> f32 {
    let low = dot(a.v0, b.v0) + dot(a.v1, b.v1) + dot(a.v2, b.v2) + dot(a.v3, b.v3);
    return low + (dot(a.v4, b.v4) + dot(a.v5, b.v5) + dot(a.v6, b.v6) + dot(a.v7, b.v7));
}

fn walk(at: vec4<u32>, first: u32, group: u32, lid: u32, lane: u32) {
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
        for (var eighth = 0u; eighth < MOST_TURNS; eighth++) {
            let i = 8u * eighth;
            if i >= n4 {
                break;
            }
            let s = state_of(is_there, read, i);
            for (var t = 0u; t < BLOCK; t++) {
                if t >= count {
                    break;
                }
                let base = (begin + t) * params.stride4;
                d[t] += product_of(s, x_block(base + k4, i, lane));
                found[t] += product_of(s, x_block(base + q4, i, lane));
            }
        }
        for (var t = 0u; t < BLOCK; t++) {
            if t >= count {
                break;
            }
            let row = begin + t;
            let at_row = row * params.heads + head;
            let pair = at_row * BLOCK + inside;
            let step = steps[at_row];
            var learnt = step.x * qkv[row * params.stride4 + v4][column % 4u] - step.y * d[t];
            var sum = step.z * found[t];
            for (var j = 0u; j < BLOCK; j++) {
                if j < t {
                    let both = pairs[pair + j];
                    learnt -= both.x * d[j];
                    sum += both.y * d[j];
                }
            }
            d[t] = learnt;
            if works {
                out[at_row * 4u * n4 + column] = sum + pairs[pair + t].y * learnt;
            }
        }
        for (var t = 0u; t < BLOCK; t++) {
            if t >= count {
                break;
            }
            d[t] *= steps[(begin + t) * params.heads + head].w;
        }
        let decay = pairs[(last * params.heads + head) * BLOCK + last % BLOCK].x;
        for (var eighth = 0u; eighth < MOST_TURNS; eighth++) {
            let i = 8u * eighth;
            if i >= n4 {
                break;
            }
            let s = state_of(is_there, read, i);
            var next = array<vec4<f32>, 8>(
                decay * s.v0, decay * s.v1, decay * s.v2, decay * s.v3, decay * s.v4, decay * s.v5, decay * s.v6, decay * s.v7,
            );
            for (var t = 0u; t < BLOCK; t++) {
                if t >= count {
                    break;
                }
                let k = x_block((begin + t) * params.stride4 + k4, i, lane);
                next[0] += d[t] * k.v0;
                next[1] += d[t] * k.v1;
                next[2] += d[t] * k.v2;
                next[3] += d[t] * k.v3;
                next[4] += d[t] * k.v4;
                next[5] += d[t] * k.v5;
                next[6] += d[t] * k.v6;
                next[7] += d[t] * k.v7;
            }
            for (var m = 0u; m < 8u; m++) {
                if works && i + m < n4 {
                    states[to + i + m] = next[m];
                }
            }
        }
        begin = last + 1u;
        is_there = works;
        read = to;
    }
}
