//! What a block ends with.

/// What comes behind a block's two parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// The width of the embedding that each token has for this layer alone (Gemma 3n and 4, Google 2025), which a gate
    /// lets into the stream: x += norm(W_proj (gelu(W_gate x) * embedding)). All blocks have it, or none.
    pub embedding: Option<u32>,
    /// Then the stream is multiplied by the number of `layer_output_scale`.
    pub scaled: bool,
}
