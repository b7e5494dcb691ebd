#import shared/kv_get
#import shared/scores
#import shared/cell
// What the attention kernels bind: rows (see shared/cell.wgsl), queries, cache, results.
struct Params {
    // Query heads.
    n_heads: u32,
    // Heads of keys, as of values.
    n_kv_heads: u32,
    // head_dim / 4.
    head_dim4: u32,
    // Length of a row of qkv / 4.
    q_stride4: u32,
    // Cells a row may look back over, itself included; 0: all.
    window: u32,
    // Workgroups per KV head.
    groups: u32,
    // softcap * tanh(score / softcap); 0: off.
    softcap: f32,
    // Slopes of heads go down to 2^-alibi: see slope() of shared/scores.wgsl; 0: off.
    alibi: f32,
    // Rows of the batch.
    rows: u32,
    // So many cells after it a row sees too, as far as its sequence has them: the batch's fourth word says how many in all.
    ahead: u32,
    // Words from the table that a row names to the layer's own.
    tables: u32,
}
@group(0) @binding(0) var<storage, read> batch: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k_cache: array<Kv4>;
@group(0) @binding(3) var<storage, read> v_cache: array<Kv4>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(5) var<uniform> params: Params;

// The cells that a row sees: from x to before y.
fn seen_by(row: vec4<u32>) -> vec2<u32> {
    let next = row.y + 1u;
    return vec2<u32>(first_seen(next), next + min(max(next, row.w) - next, params.ahead));
}
