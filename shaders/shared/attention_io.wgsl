#import shared/kv_{kv}
#import shared/scores
// What the attention kernels bind: rows (token, position, first cell, cells of its sequence), queries, cache, results.
struct Params {
    n_heads: u32,
    n_kv_heads: u32,
    head_dim4: u32,
    q_stride4: u32,
    window: u32,
    groups: u32,
    softcap: f32,
    rows: u32,
    ahead: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}
@group(0) @binding(0) var<storage, read> batch: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k_cache: array<Kv4>;
@group(0) @binding(3) var<storage, read> v_cache: array<Kv4>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(5) var<uniform> params: Params;

// The cells that a row sees: from x to before y. With `ahead` those after it count too, as far as its sequence goes.
fn seen_by(row: vec4<u32>) -> vec2<u32> {
    let next = row.y + 1u;
    return vec2<u32>(first_seen(next), max(next, select(0u, row.w, params.ahead != 0u)));
}
