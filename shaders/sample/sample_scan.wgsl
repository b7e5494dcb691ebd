// First step of sampling: each workgroup's best token. With ADJUST = 1 of the logits as the options change them:
//   v = softcap * tanh(l / softcap) + bias;   v = v > 0 ? v / repeat : v * repeat;   v -= count * frequency + presence
// with count how often the token is among the last last_n (the last two steps where it is at all). Where options.masks,
// what is not in the mask is banned.
// Shapes: logits, adjust (bias, count), values [V]; partials [groups]: an id, NONE where all are banned, or BAD where a
// logit is not a number. Greedy choice needs no more than the partials; the draw needs values, and bins at zero.
// Grid: (groups), a thread takes every (64 * groups)-th token.  Mirror: crate/kernels/sample/reference.rs
@group(0) @binding(0) var<storage, read> logits: array<u32>;
@group(0) @binding(1) var<storage, read> options: Options;
@group(0) @binding(2) var<storage, read> adjust: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;
@group(0) @binding(4) var<storage, read_write> partials: array<u32>;
@group(0) @binding(5) var<storage, read_write> bins: array<u32>;
@group(0) @binding(6) var<uniform> params: Params;
#import shared/sample

const BIN_WORDS: u32 = 3072u;
const NEG_INFINITY: u32 = 0xff800000u;

fn is_masked(id: u32) -> bool {
    return options.masks != 0u && ((options.bits[(params.n_vocab + 31u) / 32u + id / 32u] >> (id % 32u)) & 1u) == 0u;
}

fn adjusted(id: u32, logit: f32) -> f32 {
    if is_masked(id) {
        return BANNED;
    }
    var v = clamp(logit, -1.0e30, 1.0e30);
    if params.softcap > 0.0 {
        v = params.softcap * tanh(clamp(v / params.softcap, -15.0, 15.0));
    }
    if options.adjusts != 0u {
        let a = adjust[id];
        if a.x == NEG_INFINITY {
            return BANNED;
        }
        v += bitcast<f32>(a.x);
        if a.y > 0u {
            v *= select(options.repeat_penalty, options.inv_repeat_penalty, v > 0.0);
            v -= f32(a.y) * options.frequency_penalty + options.presence_penalty;
        }
    }
    return v;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lid: u32,
) {
    let first = group.x * 64u + lid;
    let stride = groups.x * 64u;
    if ADJUST == 1u {
        for (var i = first; i < BIN_WORDS; i += stride) {
            bins[i] = 0u;
        }
    }
    var best = vec2<u32>(0u, NONE);
    for (var id = first; id < params.n_vocab; id += stride) {
        var bits = logits[id];
        // By its bits: compilers may take it that no float is infinite or NaN.
        let broken = (bits & 0x7f800000u) == 0x7f800000u;
        if ADJUST == 1u {
            var value = 0.0;
            if !broken {
                value = adjusted(id, bitcast<f32>(bits));
            }
            values[id] = value;
            bits = bitcast<u32>(value);
        }
        if broken {
            best = vec2<u32>(0xffffffffu, BAD);
        } else {
            let key = key_of(bits);
            if key > best.x {
                best = vec2<u32>(key, id);
            }
        }
    }
    best = workgroup_best(best, lid);
    if lid == 0u {
        partials[group.x] = best.y;
    }
}
