//! Attention to latents.

/// Keys and values made of a few numbers a token (multi-head latent attention; DeepSeek-V2, DeepSeek-AI 2024). Behind
/// what is made of them, the keys of all heads have one rotated part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latent {
    /// Queries are made of so many numbers, normed; `None`: of the stream.
    pub q_rank: Option<u32>,
    /// Latents of a token.
    pub rank: u32,
    /// Numbers of a head's key that are made of them.
    pub own: u32,
    /// Numbers of a head's value.
    pub value: u32,
    /// `attn_k_b` and `attn_v_b` make them; else `attn_kv_b` makes both.
    pub apart: bool,
    /// Added to the mean square in the norms of latents.
    pub eps: f32,
}
