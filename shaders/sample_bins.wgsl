// Second step of the draw: tokens counted and weighed by their distance from the best, in 1024 bins.
// Shapes: values [V], partials [groups of sample_scan], bins [3][1024] (count, mass low, mass high; zero before),
// list [2 + V]: gets its length, 0, and the best id.
// Grid: (groups), a thread takes every (64 * groups)-th token.  Mirror: crate/cpu/sample.rs
@group(0) @binding(0) var<storage, read> values: array<u32>;
@group(0) @binding(1) var<storage, read> partials: array<u32>;
@group(0) @binding(2) var<storage, read> options: Options;
@group(0) @binding(3) var<storage, read_write> bins: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> list: array<u32>;
@group(0) @binding(5) var<uniform> params: Params;
#import shared/sample
#import shared/sample_partials
#import shared/sample_cut

var<workgroup> counts: array<atomic<u32>, BINS>;
var<workgroup> lows: array<atomic<u32>, BINS>;
var<workgroup> highs: array<atomic<u32>, BINS>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lid: u32,
) {
    let best_id = best_of_partials(lid);
    if group.x == 0u && lid == 0u {
        list[0] = 0u;
        list[1] = best_id;
    }
    if options.top_k == 0u && options.top_p >= 1.0 {
        return;
    }
    for (var b = lid; b < BINS; b += 64u) {
        atomicStore(&counts[b], 0u);
        atomicStore(&lows[b], 0u);
        atomicStore(&highs[b], 0u);
    }
    workgroupBarrier();
    let best = bitcast<f32>(values[min(best_id, params.n_vocab - 1u)]);
    for (var id = group.x * 64u + lid; id < params.n_vocab; id += groups.x * 64u) {
        let value = bitcast<f32>(values[id]);
        if value > BANNED {
            let b = bin_of(best - value);
            let mass = mass_of(best - value);
            atomicAdd(&counts[b], 1u);
            if mass > 0u && atomicAdd(&lows[b], mass) > ~mass {
                atomicAdd(&highs[b], 1u);
            }
        }
    }
    workgroupBarrier();
    for (var b = lid; b < BINS; b += 64u) {
        let count = atomicLoad(&counts[b]);
        let low = atomicLoad(&lows[b]);
        var high = atomicLoad(&highs[b]);
        if count > 0u {
            atomicAdd(&bins[b], count);
        }
        if low > 0u && atomicAdd(&bins[BINS + b], low) > ~low {
            high += 1u;
        }
        if high > 0u {
            atomicAdd(&bins[2u * BINS + b], high);
        }
    }
}
