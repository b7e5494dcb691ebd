#import shared/kv_{kv}
#import shared/scores
#import shared/cell
// What the attention kernels bind: rows (token, position, first cell, 0), queries, cache, results.
struct Params {
    n_heads: u32,
    n_kv_heads: u32,
    head_dim4: u32,
    q_stride4: u32,
    window: u32,
    groups: u32,
    softcap: f32,
    rows: u32,
}
@group(0) @binding(0) var<storage, read> batch: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k_cache: array<Kv4>;
@group(0) @binding(3) var<storage, read> v_cache: array<Kv4>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(5) var<uniform> params: Params;
