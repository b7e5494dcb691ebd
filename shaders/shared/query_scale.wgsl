// What a query at a position is multiplied by: more where the context is longer than the model was trained for first, as in
// Llama 4 (Meta 2025) and Ministral 3.
fn query_scale(position: u32) -> f32 {
    if params.stretch == 0.0 {
        return params.attn_scale;
    }
    return params.attn_scale * (1.0 + params.stretch * log(f32(1u + position / params.stretch_every)));
}
