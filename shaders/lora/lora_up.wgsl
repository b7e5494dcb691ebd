// The second small product of adapters (lora_down.wgsl), added to the large one's:  out[r][i] += sum over j of h[r][j] · B[i][j]
// B's columns lie one behind the other, each with the rows that its adapter changes alone: places[first + j] says which,
// and where it starts. A row that wants nothing is left as it is, to the bit.
// Shapes: h [R][ranks], b [*], places (adapter, column, columns, start) a rank, out [R][N].
// Grid: (ceil(N / 64), R), a thread a number of out.  On the CPU: crate/kernels/lora/mod.rs
struct Params {
    // Columns of h.
    ranks: u32,
    // The place of the first.
    first: u32,
    // N: numbers of a row of out.
    n: u32,
}
@group(0) @binding(0) var<storage, read> h: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> places: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;
#import shared/turns

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let i = group.x * 64u + lid;
    if i >= params.n {
        return;
    }
    var sum = 0.0;
    var wanted = false;
    for (var j = 0u; j < MOST_TURNS; j++) {
        if j >= params.ranks {
            break;
        }
        let by = h[group.y * params.ranks + j];
        let place = places[params.first + j];
        // Below the first column this is a large number.
        let at = i - place.y;
        if by != 0.0 && at < place.z {
            sum += by * b[place.w + at];
            wanted = true;
        }
    }
    if wanted {
        out[group.y * params.n + i] += sum;
    }
}
