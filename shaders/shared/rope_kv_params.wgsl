struct Params {
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    rope_half: u32,
    neox: u32,
    has_norm: u32,
    eps: f32,
    attn_scale: f32,
    rows: u32,
}
