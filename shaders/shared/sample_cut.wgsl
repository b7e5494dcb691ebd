// Weights of tokens by their distance from the best logit. Masses are 64-bit integers as (low, high), so that their
// sums do not depend on the order, nor on an adapter's exp.
const BINS: u32 = 1024u;
// Words before the drawn tokens in `draws` (see sample_gather.wgsl), and before the ids in `list`.
const CUT_WORDS: u32 = 10u;
const LIST_WORDS: u32 = 2u;

// 64 bins an octave, from 2^-6 to 2^10: monotone in the distance, whatever the logits' scale.
fn bin_of(distance: f32) -> u32 {
    return clamp(bitcast<u32>(distance) >> 17u, 7744u, 7744u + BINS - 1u) - 7744u;
}

// 2^31 e^-distance, to 1e-4 of itself: its power of two, times 2^-f by a polynomial in 16-bit fixed point.
fn mass_of(distance: f32) -> u32 {
    if distance >= 22.0 {
        return 0u;
    }
    let q = u32(distance * 94548.61);
    let f = q & 0xffffu;
    var t = 628u - ((79u * f) >> 16u);
    t = 3630u - ((t * f) >> 16u);
    t = 15738u - ((t * f) >> 16u);
    t = 45426u - ((t * f) >> 16u);
    t = 65536u - ((t * f) >> 16u);
    return (t << 15u) >> (q >> 16u);
}

fn add64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < a.x));
}

fn sub64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x));
}

fn less64(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.y < b.y || (a.y == b.y && a.x < b.x);
}

// The mass that top-p asks for of this total: at least 1, at most all.
fn wanted_mass(total: vec2<u32>) -> vec2<u32> {
    let wanted = options.top_p * (f32(total.y) * 4294967296.0 + f32(total.x));
    let high = u32(wanted * 2.3283064365386963e-10);
    let parts = vec2<u32>(u32(wanted - f32(high) * 4294967296.0), high);
    if less64(total, parts) {
        return total;
    }
    return select(parts, vec2<u32>(1u, 0u), all(parts == vec2<u32>(0u)));
}

// A sum of tokens: how many, and their mass.
struct Sum {
    count: u32,
    mass: vec2<u32>,
}

fn add_sums(a: Sum, b: Sum) -> Sum {
    return Sum(a.count + b.count, add64(a.mass, b.mass));
}

struct Sums {
    before: Sum,
    total: Sum,
}
var<workgroup> sum_scratch: array<Sum, 64>;

// What the threads before this one have together, and what all 64 have.
fn workgroup_sums(own: Sum, lid: u32) -> Sums {
    sum_scratch[lid] = own;
    workgroupBarrier();
    var sums = Sums(Sum(0u, vec2<u32>(0u)), Sum(0u, vec2<u32>(0u)));
    for (var i = 0u; i < 64u; i++) {
        if i == lid {
            sums.before = sums.total;
        }
        sums.total = add_sums(sums.total, sum_scratch[i]);
    }
    workgroupBarrier();
    return sums;
}
