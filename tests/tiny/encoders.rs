//! A tiny model in F32 of each architecture that embeds: `tests/golden/encoders.json`.

#[allow(clippy::enum_glob_use, reason = "the table below is read by columns")]
use super::archs::Key::*;
use super::archs::{EIGHT, ODD, ONE, Row, SLIM_SQUARE, WIDE, row};
use super::layers::{HEADS_NORMED, LLAMA};
use super::{Dims, dims};

const BERT: &str = "attn_q+ attn_k+ attn_v+ attn_output+ attn_output_norm+ ffn_up+ ffn_down+ layer_output_norm+";
const JINA: &str =
    "attn_q+ attn_k+ attn_v+ attn_output+ attn_output_norm+ ffn_gate ffn_up ffn_down+ layer_output_norm+";
const JINA_UP: &str = "attn_q+ attn_k+ attn_v+ attn_output+ attn_output_norm+ ffn_up*2 ffn_down+ layer_output_norm+";
const JINA_CODE: &str = "attn_q+ attn_k+ attn_v+ attn_q_norm*all+ attn_k_norm*all+ attn_output+ attn_output_norm+ attn_norm_2+ \
    ffn_gate ffn_up ffn_down+ layer_output_norm+";
const JINA_CODE_UP: &str = "attn_q+ attn_k+ attn_v+ attn_q_norm*all+ attn_k_norm*all+ attn_output+ attn_output_norm+ attn_norm_2+ \
    ffn_up*2 ffn_down+ layer_output_norm+";
const MODERN: &str = "-attn_norm attn_qkv attn_output ffn_norm ffn_up*2 ffn_down";
const GEMMA: &str = "attn_norm attn_q attn_k attn_v attn_q_norm attn_k_norm attn_output post_attention_norm ffn_norm ffn_gate ffn_up \
    ffn_down post_ffw_norm";
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
    // What fills in masked words: with biases as BERT has it, without as ModernBERT.
    row("bert/words", ONE, BERT, "position_embd token_types token_embd_norm+ cls+ cls.norm+ output.bias", &[("attention.causal", B(false))]),
    row("jina-bert-v2", ODD, JINA, "token_types token_embd_norm+", &[("attention.causal", B(false)), ("pooling_type", U(1))]),
    row("jina-bert-v2/up", EIGHT_HEADS, JINA_UP, "token_types token_embd_norm+", &[("attention.causal", B(false)), ("pooling_type", U(1))]),
    // Jina's rerankers and classifiers have BERT's head.
    row("jina-bert-v2/rank", EIGHT_HEADS, JINA_UP, "token_types token_embd_norm+ cls+ cls.output*1+",
        &[("attention.causal", B(false)), ("pooling_type", U(4))]),
    row("jina-bert-v2/labels", ODD, JINA, "token_types token_embd_norm+ cls+ cls.output*3+",
        &[("attention.causal", B(false)), ("pooling_type", U(2))]),
    // The model of code: norms of all queries and all keys, and a second one behind attention.
    row("jina-bert-v2/code", ODD, JINA_CODE, "token_types token_embd_norm+", &[("attention.causal", B(false)), ("pooling_type", U(1))]),
    row("jina-bert-v2/code-up", SLIM_SQUARE, JINA_CODE_UP, "token_types token_embd_norm+", &[("attention.causal", B(false)),
        ("pooling_type", U(1))]),
    row("modern-bert", SIX_HEADS, MODERN, "token_embd_norm output_norm", &[("attention.causal", B(false)), ("pooling_type", U(2)),
        ("attention.sliding_window", U(8)), ("rope.freq_base", F(1000.0)), ("rope.freq_base_swa", F(100.0))]),
    row("modern-bert/rank", SIX_HEADS, MODERN, "token_embd_norm output_norm cls cls.norm cls.output*1+", &[("attention.causal", B(false)),
        ("pooling_type", U(4)), ("attention.sliding_window", U(12)), ("hidden_act", S("silu"))]),
    row("modern-bert/words", SIX_HEADS, MODERN, "token_embd_norm output_norm cls cls.norm output.bias", &[("attention.causal", B(false)),
        ("attention.sliding_window", U(8))]),
    row("bert/slim", SLIM_SQUARE, BERT, "position_embd token_types token_embd_norm+ cls+ cls.norm+ output.bias", &[("attention.causal", B(false))]),
    row("modern-bert/slim", SLIM_SQUARE, MODERN, "token_embd_norm output_norm cls cls.norm cls.output*1+", &[("attention.causal", B(false)),
        ("pooling_type", U(4)), ("attention.sliding_window", U(12))]),
    row("eurobert", EIGHT, LLAMA, "output_norm", &[("attention.causal", B(false)), ("pooling_type", U(1)), ("rope.freq_base", F(1000.0)),
        ("rope.scaling.type", S("none"))]),
    row("gemma-embedding", SEVEN_LAYERS, GEMMA, "output_norm dense_2 dense_3", &[("pooling_type", U(1)), ("attention.sliding_window", U(8)),
        ("rope.freq_base", F(1000.0)), ("rope.freq_base_swa", F(100.0)), ("dense_2_feat_in", U(96)), ("dense_2_feat_out", U(288)),
        ("dense_3_feat_in", U(288)), ("dense_3_feat_out", U(96))]),
    row("qwen3/last", WIDE, HEADS_NORMED, "output_norm output", &[("pooling_type", U(3))]),
    // As llama.cpp's converter makes Qwen3 Reranker: the rows of "yes" and "no" are a classifier.
    row("qwen3/rerank", WIDE, HEADS_NORMED, "output_norm cls.output*2", &[("pooling_type", U(4))]),
    row("llama/both", EIGHT, LLAMA, "output_norm", &[("attention.causal", B(false)), ("pooling_type", U(1))]),
];

const EIGHT_HEADS: Dims = dims(160, (8, 8, 20), 96, 2);
/// So deep that there are local layers, and those that see the whole context.
const SIX_HEADS: Dims = dims(96, (6, 6, 16), 96, 5);
const SEVEN_LAYERS: Dims = dims(96, (4, 1, 24), 64, 7);

/// The named model's bytes.
pub fn build(name: &str) -> Option<Vec<u8>> {
    ROWS.iter().find(|row| row.name == name).map(|row| row.assemble().to_bytes())
}
