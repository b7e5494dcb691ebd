// What a row says to all numbers of a head of a gated delta net: by how much its state decays, and how much of what is missing
// is learnt.
#import shared/softplus

fn step_of(row: u32, head: u32) -> vec2<f32> {
    let at = row * params.decay_stride + head / params.per * 2u * params.per + head % params.per;
    let beta = clamp(decays[at], -80.0, 80.0);
    let e = exp(heads[params.heads + head] * softplus(decays[at + params.per] + heads[head]));
    return vec2<f32>(e, 1.0 / (1.0 + exp(-beta)));
}
