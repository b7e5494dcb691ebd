// Last step of greedy sampling: the best of the workgroups' best tokens is fed back.
// Shapes: values [V] (logits, or as adjusted), partials [groups], batch row 0.  Grid: one workgroup.
// Mirror: crate/kernels/sample/reference.rs
@group(0) @binding(0) var<storage, read> values: array<u32>;
@group(0) @binding(1) var<storage, read> partials: array<u32>;
@group(0) @binding(2) var<storage, read> options: Options;
@group(0) @binding(3) var<storage, read_write> state: State;
@group(0) @binding(4) var<storage, read_write> adjust: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> batch: array<vec4<u32>>;
@group(0) @binding(6) var<uniform> params: Params;
#import shared/sample
#import shared/sample_partials
#import shared/sample_feed

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lid: u32) {
    let best = best_of_partials(lid);
    if lid == 0u {
        feed(best);
    }
}
