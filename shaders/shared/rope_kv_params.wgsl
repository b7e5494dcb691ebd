struct Params {
    // Query heads.
    n_heads: u32,
    // Heads of keys, as of values; 0: there are queries only.
    n_kv_heads: u32,
    // Numbers of a head.
    head_dim: u32,
    // Rotated pairs: rope_dim / 2.
    rope_half: u32,
    // 1: pairs are (i, i + rope_half) instead of (2i, 2i + 1).
    neox: u32,
    // Query and key heads go through RMSNorm: 1, first; 2, once they are rotated.
    has_norm: u32,
    // 1: values go through RMSNorm too, without weights.
    v_norm: u32,
    // Added to the mean of squares.
    eps: f32,
    // Queries are multiplied by this.
    attn_scale: f32,
    // And by 1 + stretch * ln(1 + floor(position / stretch_every)); 0: off.
    stretch: f32,
    // Positions; at least 1.
    stretch_every: u32,
    // Rows of the batch.
    rows: u32,
    // Heads of a row of qkv: n_heads + 2 * n_kv_heads; without the last ones values are the keys as they came.
    row_heads: u32,
    // Words from the table that a row names to the layer's own.
    tables: u32,
}
