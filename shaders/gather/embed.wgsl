// Embedding lookup:  out[r][k] = embed_scale * W[token[r]][k];   by position or type,  out[r][k] += embed_scale * W[…][k]
// Shapes: W [rows of this part][K], batch [R], out [R][K].
// Grid: (ceil(K/32 / 64), R), one thread a block of 32. A row whose token lies in another part is left alone.
// Mirror: crate/kernels/gather/mod.rs
struct Params {
    // Plane offsets of the weight part, in u32 words; `[0]` is 0.
    planes: vec4<u32>,
    // Blocks of 32 in a row: K / 32.
    k_blocks: u32,
    // The vocabulary id of the part's first row.
    first_row: u32,
    // Its rows.
    n_rows: u32,
    // Rows are multiplied by this.
    scale: f32,
    // 0: rows are those of tokens; 1: of positions, 2: of token types, and are added to what is there.
    by: u32,
}
@group(0) @binding(2) var<storage, read> batch: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> params: Params;
#import shared/weights
#import formats/{format}

fn put(at: u32, v: vec4<f32>) {
    if params.by != 0u {
        out[at] += v;
    } else {
        out[at] = v;
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let kb = group.x * 64u + lid;
    let ids = batch[group.y];
    // A token's type is above the 24 bits of its id.
    let row = select(select(ids.x & 0xffffffu, ids.x >> 24u, params.by == 2u), ids.y, params.by == 1u) - params.first_row;
    if kb >= params.k_blocks || row >= params.n_rows {
        return;
    }
    let w = load_block(row * params.k_blocks + kb);
    let at = (group.y * params.k_blocks + kb) * 8u;
    let s = w.scale * params.scale;
    let o = w.offset * params.scale;
    put(at, s.x * w.v0 + o.x);
    put(at + 1u, s.x * w.v1 + o.x);
    put(at + 2u, s.x * w.v2 + o.x);
    put(at + 3u, s.x * w.v3 + o.x);
    put(at + 4u, s.y * w.v4 + o.y);
    put(at + 5u, s.y * w.v5 + o.y);
    put(at + 6u, s.y * w.v6 + o.y);
    put(at + 7u, s.y * w.v7 + o.y);
}
