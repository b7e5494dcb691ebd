// Last step of the draw: finds the tokens at which top-k and top-p cut among those listed, draws among what is left of
// them and the workgroups' winners, and feeds the token back.
// The place of a token in the order, best first and lower ids before higher, is the 64-bit (~key, id).
// Shapes: values [V], list [2 + V], draws [CUT_WORDS + groups of sample_gather], batch row 0.  Grid: one workgroup.
// Mirror: crate/kernels/sample/reference.rs
@group(0) @binding(0) var<storage, read> values: array<u32>;
@group(0) @binding(1) var<storage, read> options: Options;
@group(0) @binding(2) var<storage, read> list: array<u32>;
@group(0) @binding(3) var<storage, read> draws: array<u32>;
@group(0) @binding(4) var<storage, read_write> state: State;
@group(0) @binding(5) var<storage, read_write> adjust: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read_write> batch: array<vec4<u32>>;
@group(0) @binding(7) var<uniform> params: Params;
#import shared/sample
#import shared/sample_cut
#import shared/sample_draw
#import shared/sample_feed

// Values of a digit of DIGIT bits, how many of them a thread adds up, and the digits of half a place.
const BUCKETS: u32 = 1u << DIGIT;
const EACH: u32 = max(BUCKETS / 64u, 1u);
const DIGITS: u32 = 32u / DIGIT;

var<workgroup> counts: array<atomic<u32>, BUCKETS>;
var<workgroup> lows: array<atomic<u32>, BUCKETS>;
var<workgroup> highs: array<atomic<u32>, BUCKETS>;

// Where a digit's buckets reach the goal.
struct Found {
    bucket: u32,
    before: Sum,
    within: Sum,
}
var<workgroup> found: Found;

struct Cut {
    // The last token's place, and the mass up to it.
    place: vec2<u32>,
    mass: vec2<u32>,
}

fn place_of(id: u32) -> vec2<u32> {
    return vec2<u32>(~key_of(values[id]), id);
}

fn distance_of(id: u32, best: f32) -> f32 {
    return best - bitcast<f32>(values[id]);
}

// How much of the goal a sum is: its mass or its count.
fn amount(sum: Sum, by_mass: bool) -> vec2<u32> {
    return select(vec2<u32>(sum.count, 0u), sum.mass, by_mass);
}

// The first listed token of these bins with which their tokens reach the goal, in order: found digit by digit of the
// place.
fn cut_at(goal: vec2<u32>, by_mass: bool, first_bin: u32, last_bin: u32, best: f32, lid: u32) -> Cut {
    var cut = Cut(vec2<u32>(0u), vec2<u32>(0u));
    var left = goal;
    for (var digit = 0u; digit < 2u * DIGITS; digit++) {
        for (var i = lid; i < BUCKETS; i += 64u) {
            atomicStore(&counts[i], 0u);
            atomicStore(&lows[i], 0u);
            atomicStore(&highs[i], 0u);
        }
        if lid == 0u {
            found = Found(BUCKETS - 1u, Sum(0u, vec2<u32>(0u)), Sum(0u, vec2<u32>(0u)));
        }
        workgroupBarrier();
        let shift = 32u - DIGIT * (digit % DIGITS + 1u);
        // The digits that are settled.
        let settled = ~((BUCKETS << shift) - 1u) * u32(digit % DIGITS > 0u);
        let mask = select(vec2<u32>(NONE, settled), vec2<u32>(settled, 0u), digit < DIGITS);
        for (var i = lid; i < list[0]; i += 64u) {
            let id = list[LIST_WORDS + i];
            let place = place_of(id);
            let distance = distance_of(id, best);
            let b = bin_of(distance);
            if b >= first_bin && b <= last_bin && all((place & mask) == (cut.place & mask)) {
                let bucket = (select(place.y, place.x, digit < DIGITS) >> shift) & (BUCKETS - 1u);
                let mass = mass_of(distance);
                atomicAdd(&counts[bucket], 1u);
                if atomicAdd(&lows[bucket], mass) > ~mass {
                    atomicAdd(&highs[bucket], 1u);
                }
            }
        }
        workgroupBarrier();
        var buckets: array<Sum, EACH>;
        var own = Sum(0u, vec2<u32>(0u));
        for (var i = 0u; i < EACH; i++) {
            let b = EACH * lid + i;
            if b < BUCKETS {
                buckets[i] = Sum(atomicLoad(&counts[b]), vec2<u32>(atomicLoad(&lows[b]), atomicLoad(&highs[b])));
            }
            own = add_sums(own, buckets[i]);
        }
        var at = workgroup_sums(own, lid).before;
        for (var i = 0u; i < EACH; i++) {
            let next = add_sums(at, buckets[i]);
            if less64(amount(at, by_mass), left) && !less64(amount(next, by_mass), left) {
                found = Found(EACH * lid + i, at, buckets[i]);
            }
            at = next;
        }
        workgroupBarrier();
        left = sub64(left, amount(found.before, by_mass));
        cut.mass = add64(cut.mass, found.before.mass);
        if digit < DIGITS {
            cut.place.x |= found.bucket << shift;
        } else {
            cut.place.y |= found.bucket << shift;
        }
        if digit == 2u * DIGITS - 1u {
            cut.mass = add64(cut.mass, found.within.mass);
        }
        workgroupBarrier();
    }
    return cut;
}

fn after(place: vec2<u32>, cut: vec2<u32>) -> bool {
    return place.x > cut.x || (place.x == cut.x && place.y > cut.y);
}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lid: u32) {
    let best_id = list[1];
    let best = bitcast<f32>(values[min(best_id, params.n_vocab - 1u)]);
    var total = vec2<u32>(draws[8], draws[9]);
    var k_cut = vec2<u32>(NONE);
    var p_cut = vec2<u32>(NONE);
    // Where top-k cuts, then where top-p does in what that leaves: a loop, so that the search is compiled once.
    for (var search = 0u; search < 2u; search++) {
        let by_mass = search == 1u;
        let first = draws[4u * search];
        if first < BINS {
            var goal = vec2<u32>(options.top_k - draws[1], 0u);
            if by_mass {
                goal = sub64(wanted_mass(total), vec2<u32>(draws[6], draws[7]));
            }
            let cut = cut_at(goal, by_mass, first, select(first, draws[5], by_mass), best, lid);
            if by_mass {
                p_cut = cut.place;
            } else {
                k_cut = cut.place;
                total = add64(vec2<u32>(draws[2], draws[3]), cut.mass);
            }
        }
    }
    var drawn = vec2<u32>(0u, NONE);
    for (var i = lid; i < list[0]; i += 64u) {
        let id = list[LIST_WORDS + i];
        let place = place_of(id);
        let distance = distance_of(id, best);
        if !after(place, k_cut) && !after(place, p_cut) && distance <= options.reach {
            drawn = better(drawn, vec2<u32>(draw_key(id, distance), id));
        }
    }
    for (var i = lid; i < params.n_groups; i += 64u) {
        let id = draws[CUT_WORDS + i];
        if id < params.n_vocab {
            drawn = better(drawn, vec2<u32>(draw_key(id, distance_of(id, best)), id));
        }
    }
    drawn = workgroup_best(drawn, lid);
    if lid == 0u {
        // Without a best token there is nothing to draw from: the state says why.
        feed(select(best_id, drawn.y, best_id < params.n_vocab));
    }
}
