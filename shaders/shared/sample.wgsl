// What the sampling kernels share: options and state of a generation, and how logits are ordered and weighed.
struct Params {
    // Tokens of the vocabulary.
    n_vocab: u32,
    // Words of `partials` or `draws` that the kernel before wrote.
    n_groups: u32,
    // softcap * tanh(logit / softcap); 0: off.
    softcap: f32,
    // Cells of the sequence.
    context: u32,
}
// Written once a generation (crate/run/sampler.rs).
struct Options {
    // 1 / temperature.
    inv_temperature: f32,
    // Only so many of the best tokens; 0: all.
    top_k: u32,
    // Only the best tokens that reach this probability together; 1: all.
    top_p: f32,
    // min-p as a distance from the best logit: -ln(min_p).
    reach: f32,
    // Multiplies the logits below zero of tokens in the window.
    repeat_penalty: f32,
    // Multiplies those above zero.
    inv_repeat_penalty: f32,
    // Subtracted once from the logit of a token in the window.
    presence_penalty: f32,
    // Subtracted for each time that it is there.
    frequency_penalty: f32,
    // Length of the penalties' window; 0: no penalties.
    last_n: u32,
    // 1: `adjust` holds biases or counts.
    adjusts: u32,
    // Of the noise, low word first.
    seed: vec2<u32>,
    // Tokens, the prompt's included, after which the generation is over.
    limit: u32,
    // 1: only tokens may be chosen whose bit is set in the second part of `bits`.
    masks: u32,
    // So that what follows starts on a vector.
    pad0: u32,
    // As before.
    pad1: u32,
    // A bit a token, twice: it ends the generation; it may be chosen. Each part begins with a word.
    bits: array<u32>,
}
struct State {
    // The result of the last step, which is copied out: the token.
    token: u32,
    // And whether the generation goes on, or why not.
    status: u32,
    // Tokens sampled.
    step: u32,
    // Tokens in all: the position of the next.
    n: u32,
    // 1: the generation is over.
    done: u32,
    // The word of the batch at which the table of its cells begins.
    table: u32,
    // So that what follows starts on a vector.
    pad: vec2<u32>,
    // Token by position, kept while there are penalties.
    history: array<u32>,
}

// In place of a token: nothing may be chosen, and a logit is not a number.
const NONE: u32 = 0xffffffffu;
const BAD: u32 = 0xfffffffeu;
// The value of a banned token; finite ones are far above.
const BANNED: f32 = -3.0e38;

// Orders as the floats do; 0 for banned tokens only.
fn key_of(bits: u32) -> u32 {
    if bitcast<f32>(bits) <= BANNED {
        return 0u;
    }
    let b = select(bits, 0u, bits == 0x80000000u);
    return select(b | 0x80000000u, ~b, (b >> 31u) == 1u);
}

var<workgroup> best_scratch: array<vec2<u32>, 64>;

// The (key, id) with the largest key of all 64 threads, the lower id where keys are equal. Every thread gets it.
fn workgroup_best(own: vec2<u32>, lid: u32) -> vec2<u32> {
    best_scratch[lid] = own;
    for (var step = 32u; step > 0u; step >>= 1u) {
        workgroupBarrier();
        if lid < step {
            best_scratch[lid] = better(best_scratch[lid], best_scratch[lid + step]);
        }
    }
    workgroupBarrier();
    let best = best_scratch[0];
    workgroupBarrier();
    return best;
}

fn better(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return select(b, a, a.x > b.x || (a.x == b.x && a.y < b.y));
}
