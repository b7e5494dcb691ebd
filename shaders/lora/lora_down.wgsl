// The first small product of adapters (LoRA, Hu et al. 2021) beside a matrix:  h[r][j] = gain · A[j] x[r]
// gain = gains[s][places[first + j].x], s = rows[r] with gather, else r: how much of the adapter that j is of row r wants.
// 0 where it wants none, and then A is not read.
// Shapes: x [R][K], a [ranks][K], places (adapter, column, columns, start) a rank, gains [*][adapters], rows [R],
// h [R][ranks]; K % 4 == 0.
// Grid: (ranks, R), a workgroup a number of h.  On the CPU: crate/kernels/lora/mod.rs
struct Params {
    // K / 4.
    k4: u32,
    // Rows of A: the ranks of all adapters of this matrix together.
    ranks: u32,
    // The place of the first.
    first: u32,
    // Numbers of a row of gains.
    adapters: u32,
    // 1: row r wants what row `rows[r]` of the batch does.
    gather: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> places: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> gains: array<f32>;
@group(0) @binding(4) var<storage, read> rows: array<u32>;
@group(0) @binding(5) var<storage, read_write> h: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;
#import shared/turns
#import shared/reduce_{reduce}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let j = group.x;
    var source = group.y;
    if params.gather != 0u {
        source = rows[group.y];
    }
    let gain = gains[source * params.adapters + places[params.first + j].x];
    // The same for all of the workgroup, which compilers do not see.
    let wanted = select(0u, params.k4, gain != 0.0);
    var sum = vec4<f32>(0.0);
    let i_turns = turns(lid, wanted, 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns {
            break;
        }
        let i = lid + i_turn * 64u;
        sum += a[j * params.k4 + i] * x[group.y * params.k4 + i];
    }
    let total = workgroup_sum(sum.x + sum.y + sum.z + sum.w, lid);
    if lid == 0u {
        h[group.y * params.ranks + j] = gain * total;
    }
}
