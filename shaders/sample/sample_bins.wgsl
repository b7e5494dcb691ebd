// Second step of the draw: tokens counted and weighed by their distance from the best, in 1024 bins.
// Shapes: values [V], partials [groups of sample_scan], bins [3][1024] (count, mass low, mass high; zero before),
// list [2 + V]: gets its length, 0, and the best id.
// Grid: (groups), a thread takes every (64 * groups)-th token.  Mirror: crate/kernels/sample/reference.rs
@group(0) @binding(0) var<storage, read> values: array<u32>;
@group(0) @binding(1) var<storage, read> partials: array<u32>;
@group(0) @binding(2) var<storage, read> options: Options;
@group(0) @binding(3) var<storage, read_write> bins: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> list: array<u32>;
@group(0) @binding(5) var<uniform> params: Params;
#import shared/sample
#import shared/sample_partials
#import shared/sample_cut
#import shared/bins_{bins}

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
    clear_bins(lid);
    let best = bitcast<f32>(values[min(best_id, params.n_vocab - 1u)]);
    for (var id = group.x * 64u + lid; id < params.n_vocab; id += groups.x * 64u) {
        let value = bitcast<f32>(values[id]);
        if value > BANNED {
            count_in(bin_of(best - value), mass_of(best - value));
        }
    }
    keep_bins(lid);
}
