// The same as lora_down.wgsl beside an embedding, whose input is a token:  h[r][j] = gain · scale · A[j][token of r]
// Shapes: batch (token and type, position, …) a row, a [ranks][V], places (adapter, column, columns, start) a rank,
// gains [R][adapters], h [R][ranks].
// Grid: (ceil(ranks / 64), R), a thread a number of h.  On the CPU: crate/kernels/lora/mod.rs
struct Params {
    // V: tokens of the vocabulary.
    n_vocab: u32,
    // Rows of A: the ranks of all adapters of the embedding together.
    ranks: u32,
    // The place of the first.
    first: u32,
    // Numbers of a row of gains.
    adapters: u32,
    // What embeddings are multiplied by.
    scale: f32,
}
@group(0) @binding(0) var<storage, read> batch: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> places: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> gains: array<f32>;
@group(0) @binding(4) var<storage, read_write> h: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

// The bits of a row's first word that are its token (crate/kernels/cell.rs).
const TOKEN: u32 = 0xffffffu;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let j = group.x * 64u + lid;
    if j >= params.ranks {
        return;
    }
    let gain = gains[group.y * params.adapters + places[params.first + j].x];
    let token = batch[group.y].x & TOKEN;
    h[group.y * params.ranks + j] = gain * params.scale * a[j * params.n_vocab + token];
}
