//! A tiny model in F32 of each architecture that embeds: `tests/golden/encoders.json`.

#[allow(clippy::enum_glob_use, reason = "the table below is read by columns")]
use super::archs::Key::*;
use super::archs::{EIGHT, HEADS_NORMED, LLAMA, ONE, Row, WIDE, row};

const BERT: &str = "attn_q+ attn_k+ attn_v+ attn_output+ attn_output_norm+ ffn_up+ ffn_down+ layer_output_norm+";
const ROTATED: &str = "attn_qkv attn_output attn_output_norm+ ffn_gate ffn_up ffn_down layer_output_norm+";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("bert", ONE, BERT, "position_embd token_types token_embd_norm+", &[("attention.causal", B(false)), ("pooling_type", U(1))]),
    row("bert/rank", EIGHT_HEADS, BERT, "position_embd token_types token_embd_norm+ cls+ cls.output*1+",
        &[("attention.causal", B(false)), ("pooling_type", U(4))]),
    // As XLM-RoBERTa: without token types. It has labels, and nothing before them.
    row("bert/labels", ONE, BERT, "position_embd token_embd_norm+ cls.output*3+",
        &[("attention.causal", B(false)), ("pooling_type", U(2))]),
    row("nomic-bert", ONE, ROTATED, "token_types token_embd_norm+", &[("attention.causal", B(false)), ("pooling_type", U(1)),
        ("rope.freq_base", F(1000.0))]),
    row("qwen3/last", WIDE, HEADS_NORMED, "output_norm output", &[("pooling_type", U(3))]),
    row("llama/both", EIGHT, LLAMA, "output_norm", &[("attention.causal", B(false)), ("pooling_type", U(1))]),
];

const EIGHT_HEADS: super::Dims = super::dims(160, (8, 8, 20), 96, 2);

/// The named model's bytes.
pub fn build(name: &str) -> Option<Vec<u8>> {
    ROWS.iter().find(|row| row.name == name).map(|row| row.assemble().to_bytes())
}
