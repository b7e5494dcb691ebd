// Third step of the draw: finds the bins in which top-k and top-p cut, lists their tokens, and draws among those that
// are better for certain.
//   top-k cuts in the first bin up to which k tokens lie: `k_bin`. It leaves a mass between that before the bin and that
//   with it; so top-p, which wants its part of what top-k leaves, cuts in one of the bins from `p_first` to `p_last`.
// Shapes: values [V], bins [3][1024], list [2 + V] (length, best id, then ids in any order),
// draws [CUT_WORDS + groups]: the cut, then the token that wins each workgroup's draw, or NONE.
// Grid: (groups), a thread takes every (64 * groups)-th token; every workgroup finds the same cut.
// Mirror: crate/kernels/sample/reference.rs
@group(0) @binding(0) var<storage, read> values: array<u32>;
@group(0) @binding(1) var<storage, read> options: Options;
@group(0) @binding(2) var<storage, read> state: State;
@group(0) @binding(3) var<storage, read> bins: array<u32>;
@group(0) @binding(4) var<storage, read_write> list: array<atomic<u32>>;
@group(0) @binding(5) var<storage, read_write> draws: array<u32>;
@group(0) @binding(6) var<uniform> params: Params;
#import shared/sample
#import shared/sample_cut
#import shared/sample_draw

const PER_THREAD: u32 = BINS / 64u;

struct Cut {
    // The bin, and what lies before it; NONE where top-k cuts nothing.
    k_bin: u32,
    k_before: Sum,
    p_first: u32,
    p_before: Sum,
    p_last: u32,
}
var<workgroup> cut: Cut;

fn bin(b: u32) -> Sum {
    return Sum(bins[b], vec2<u32>(bins[BINS + b], bins[2u * BINS + b]));
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lid: u32,
) {
    let nothing = Sum(0u, vec2<u32>(0u));
    if lid == 0u {
        cut = Cut(NONE, nothing, NONE, nothing, 0u);
    }
    var own = nothing;
    for (var i = 0u; i < PER_THREAD; i++) {
        own = add_sums(own, bin(lid * PER_THREAD + i));
    }
    let sums = workgroup_sums(own, lid);
    let k = options.top_k;
    if k > 0u && k < sums.total.count {
        var at = sums.before;
        for (var i = 0u; i < PER_THREAD; i++) {
            let b = lid * PER_THREAD + i;
            let next = add_sums(at, bin(b));
            if at.count < k && next.count >= k {
                cut.k_bin = b;
                cut.k_before = at;
            }
            at = next;
        }
    }
    workgroupBarrier();
    let k_bin = cut.k_bin;
    if options.top_p < 1.0 {
        // The least and the most that top-k leaves.
        var least = sums.total;
        var most = sums.total;
        if k_bin < BINS {
            least = cut.k_before;
            most = add_sums(least, bin(k_bin));
        }
        let want_least = wanted_mass(least.mass);
        let want_most = wanted_mass(most.mass);
        var at = sums.before;
        for (var i = 0u; i < PER_THREAD; i++) {
            let b = lid * PER_THREAD + i;
            let next = add_sums(at, bin(b));
            if less64(at.mass, want_least) && !less64(next.mass, want_least) {
                cut.p_first = b;
                cut.p_before = at;
            }
            if less64(at.mass, want_most) && !less64(next.mass, want_most) {
                cut.p_last = b;
            }
            at = next;
        }
    }
    workgroupBarrier();
    let p_first = cut.p_first;
    let p_last = cut.p_last;

    let best = bitcast<f32>(values[min(atomicLoad(&list[1]), params.n_vocab - 1u)]);
    var drawn = vec2<u32>(0u, NONE);
    for (var id = group.x * 64u + lid; id < params.n_vocab; id += groups.x * 64u) {
        let value = bitcast<f32>(values[id]);
        if value > BANNED {
            let distance = best - value;
            let b = bin_of(distance);
            if b < min(k_bin, p_first) {
                if distance <= options.reach {
                    drawn = better(drawn, vec2<u32>(draw_key(id, distance), id));
                }
            } else if b == k_bin || (b >= p_first && b <= p_last) {
                atomicStore(&list[LIST_WORDS + atomicAdd(&list[0], 1u)], id);
            }
        }
    }
    drawn = workgroup_best(drawn, lid);
    if lid == 0u {
        draws[CUT_WORDS + group.x] = drawn.y;
    }
    if lid == 0u && group.x == 0u {
        draws[0] = k_bin;
        draws[1] = cut.k_before.count;
        draws[2] = cut.k_before.mass.x;
        draws[3] = cut.k_before.mass.y;
        draws[4] = p_first;
        draws[5] = p_last;
        draws[6] = cut.p_before.mass.x;
        draws[7] = cut.p_before.mass.y;
        draws[8] = sums.total.mass.x;
        draws[9] = sums.total.mass.y;
    }
}
