struct Params {
    // Query heads.
    n_heads: u32,
    // Heads of keys, as of values.
    n_kv_heads: u32,
    // Numbers of a head.
    head_dim: u32,
    // Rotated pairs: rope_dim / 2.
    rope_half: u32,
    // 1: pairs are (i, i + rope_half) instead of (2i, 2i + 1).
    neox: u32,
    // 1: query and key heads go through RMSNorm first.
    has_norm: u32,
    // Added to the mean of squares.
    eps: f32,
    // Queries are multiplied by this.
    attn_scale: f32,
    // Rows of the batch.
    rows: u32,
}
