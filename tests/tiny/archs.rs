//! A tiny model in F32 of each architecture that is only compared with llama.cpp: `tests/golden/archs.json`.

use super::gguf::{F32, Gguf, Rng, Tensor, Value, random_weights};
#[allow(clippy::wildcard_imports, reason = "the table below reads by these words")]
use super::layers::*;
use super::{Dims, Vocab, dims, vocab};

/// A key's value.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    U(u32),
    F(f32),
    B(bool),
    S(&'static str),
    I(&'static [i32]),
    T(&'static [bool]),
}

/// One tiny model: a row of [`ROWS`].
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The architecture, and what is special about the row.
    pub name: &'static str,
    pub dims: Dims,
    /// Tensors of each layer, by words: [`Row::shape`] says what they mean. `+` adds a bias, and what begins
    /// with `-` the first layer has not, with `=` only the first, with digits and a colon only these.
    pub(super) layer: &'static str,
    /// Tensors of no layer, besides the embedding.
    pub(super) ends: &'static str,
    /// What the file says besides sizes.
    pub(super) keys: &'static [(&'static str, Key)],
}

const WINDOW: u32 = 8;
pub const CONTEXT: u32 = 512;

/// Heads that share keys by 1, 3 and 8; sizes of heads that are no powers of two.
pub(super) const ONE: Dims = dims(96, (4, 4, 24), 160, 3);
const THREE: Dims = dims(96, (3, 1, 32), 160, 3);
pub(super) const EIGHT: Dims = dims(160, (8, 1, 20), 96, 2);
pub(super) const WIDE: Dims = dims(64, (6, 2, 48), 96, 3);
const LONG: Dims = dims(96, (6, 2, 16), 96, 5);
/// Heads that are no power of two.
pub(super) const ODD: Dims = dims(96, (6, 6, 16), 160, 3);
/// A feed-forward network whose width is no multiple of 32.
const NARROW: Dims = dims(64, (8, 4, 8), 172, 3);
/// Streams and heads whose widths are no multiples of 32, some none of 4.
pub(super) const SLIM: Dims = dims(100, (5, 1, 12), 172, 3);
pub(super) const SLIM_SQUARE: Dims = dims(72, (6, 6, 12), 100, 3);
const SLIM_ODD: Dims = dims(70, (3, 1, 20), 64, 3);
/// Heads of more than 256 numbers.
const SIX: Dims = dims(96, (4, 1, 272), 96, 6);
const WIDER: Dims = dims(100, (4, 2, 512), 64, 2);
/// What a cell keeps of latent attention, or a head's key.
const MLA: Dims = dims(96, (4, 1, 80), 160, 3);
const MLA_LITE: Dims = dims(32, (2, 2, 20), 64, 27);
const MINI: Dims = dims(128, (5, 5, 32), 96, 3);
const DEEP_ALIBI: Dims = dims(64, (4, 4, 16), 32, 40);
const DEEP: Dims = dims(32, (2, 1, 16), 32, 32);
const DEEPER: Dims = dims(32, (2, 1, 16), 32, 64);

pub(super) const fn row(
    name: &'static str,
    dims: Dims,
    layer: &'static str,
    ends: &'static str,
    keys: &'static [(&'static str, Key)],
) -> Row {
    Row { name, dims, layer, ends, keys }
}

#[allow(clippy::enum_glob_use, reason = "the table below is read by columns")]
use Key::*;

const TIED: &str = "output_norm";
const OWN: &str = "output_norm output";
const LAYERNORM_TIED: &str = "output_norm+";
const LAYERNORM_OWN: &str = "output_norm+ output";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("llama/biased", EIGHT, "attn_norm attn_q+ attn_k+ attn_v+ attn_output+ ffn_norm ffn_gate+ ffn_up+ ffn_down+", OWN, &[]),
    row("llama/fused", WIDE, "attn_norm attn_qkv+ attn_output ffn_norm ffn_gate ffn_up ffn_down", "output_norm rope_freqs", &[]),
    row("llama/yarn", ONE, LLAMA, OWN, &[("rope.freq_base", F(100.0)), ("rope.scaling.type", S("yarn")),
        ("rope.scaling.factor", F(4.0)), ("rope.scaling.original_context_length", U(16)), ("rope.scaling.attn_factor", F(1.1))]),
    row("llama/longrope", ONE, LLAMA, "output_norm rope_factors_long rope_factors_short", &[("rope.scaling.type", S("longrope")),
        ("rope.scaling.original_context_length", U(16)), ("rope.scaling.attn_factor", F(1.2))]),
    row("llama/shortrope", ONE, LLAMA, "output_norm rope_factors_long rope_factors_short", &[("rope.scaling.type", S("longrope")),
        ("rope.scaling.original_context_length", U(1024))]),
    // Scales of whole tensors, as NVFP4's have them.
    row("llama/scaled", THREE, SCALED, OWN, &[]),
    // As stories260K of llama2.c.
    row("llama/narrow", NARROW, LLAMA, OWN, &[]),
    row("gpt2/narrow", NARROW, "attn_norm+ attn_qkv+ attn_output+ ffn_norm+ ffn_up+ ffn_down+", "position_embd output_norm+", &[]),
    row("chatglm/narrow", NARROW, "attn_norm attn_qkv+ attn_output ffn_norm ffn_up*2 ffn_down", OWN, &[("rope.dimension_count", U(4))]),
    row("llama/slim", SLIM, LLAMA, TIED, &[]),
    row("gpt2/slim", SLIM_SQUARE, GPT, "position_embd output_norm+", &[]),
    row("bloom/slim", SLIM_SQUARE, GPT, "token_embd_norm+ output_norm+", &[]),
    row("olmo/slim", SLIM_SQUARE, "attn_q attn_k attn_v attn_output ffn_gate ffn_up ffn_down", "", &[("attention.clamp_kqv", F(1.0))]),
    row("gemma2/slim", SLIM_ODD, "attn_norm attn_q attn_k attn_v attn_output post_attention_norm ffn_norm ffn_gate ffn_up ffn_down post_ffw_norm",
        TIED, &[("attention.sliding_window", U(WINDOW)), ("attn_logit_softcapping", F(2.0)), ("final_logit_softcapping", F(9.0))]),
    row("olmo2/slim", SLIM_SQUARE, "attn_q attn_k attn_v attn_q_norm*all attn_k_norm*all BEHIND", OWN, &[]),
    row("granite/slim", SLIM_ODD, LLAMA, TIED, &[("attention.scale", F(0.25)), ("embedding_scale", F(6.0)), ("residual_scale", F(0.4)),
        ("logit_scale", F(1.5))]),
    row("falcon/slim", SLIM_SQUARE, "attn_norm+ attn_qkv attn_output ffn_up ffn_down", LAYERNORM_TIED, &[]),
    row("qwen2vl", ONE, QKV_BIASED, OWN, &[("rope.dimension_sections", I(&[4, 4, 4, 0])),
        // llama.cpp does not read it for this one, and takes 0.
        ("attention.layer_norm_rms_epsilon", F(1e-9))]),
    row("qwen3vl", WIDE, HEADS_NORMED, TIED, &[("rope.dimension_sections", I(&[8, 8, 8, 0]))]),
    row("qwen", ONE, "attn_norm attn_qkv+ attn_output ffn_norm ffn_gate ffn_up ffn_down", OWN, &[("feed_forward_length", U(320))]),
    row("qwen3moe", WIDE, QWEN3_EXPERTS, OWN, &[("expert_count", U(8)), ("expert_used_count", U(3)), ("expert_feed_forward_length", U(64))]),
    row("qwen3moe/many", ONE, QWEN3_EXPERTS, TIED, &[("expert_count", U(70)), ("expert_used_count", U(8)), ("expert_feed_forward_length", U(32))]),
    row("llama/experts", THREE, "attn_norm attn_q attn_k attn_v attn_output ffn_norm EXPERTS", OWN, &[("expert_count", U(5)),
        ("expert_used_count", U(2))]),
    row("llama/switch", SLIM, "attn_norm attn_q attn_k attn_v attn_output ffn_norm EXPERTS", TIED, &[("expert_count", U(3)),
        ("expert_used_count", U(1))]),
    row("olmoe", ODD, "attn_norm attn_q attn_k attn_v attn_q_norm*all attn_k_norm*all attn_output ffn_norm EXPERTS", OWN,
        &[("expert_count", U(9)), ("expert_used_count", U(4))]),
    row("olmoe/slim", SLIM_SQUARE, "attn_norm attn_q attn_k attn_v attn_q_norm*all attn_k_norm*all attn_output ffn_norm EXPERTS", OWN,
        &[("expert_count", U(4)), ("expert_used_count", U(2))]),
    row("qwen2moe", ONE, "attn_norm attn_q+ attn_k+ attn_v+ attn_output ffn_norm EXPERTS ffn_gate_inp_shexp SHARED", OWN,
        &[("expert_count", U(16)), ("expert_used_count", U(4)), ("expert_feed_forward_length", U(32)),
        ("expert_shared_feed_forward_length", U(96))]),
    row("granitemoe", THREE, "attn_norm attn_q attn_k attn_v attn_output ffn_norm EXPERTS", TIED, &[("expert_count", U(7)),
        ("expert_used_count", U(3)), ("attention.scale", F(0.25)), ("embedding_scale", F(6.0)), ("residual_scale", F(0.4)), ("logit_scale", F(1.5))]),
    row("granitemoe/shared", SLIM_ODD, "attn_norm attn_q attn_k attn_v attn_output ffn_norm EXPERTS SHARED", TIED, &[("expert_count", U(4)),
        ("expert_used_count", U(2)), ("expert_shared_feed_forward_length", U(36)), ("logit_scale", F(1.5))]),
    row("dots1", ONE, DENSE_FIRST, OWN, &[("expert_count", U(16)), ("expert_used_count", U(3)), ("expert_feed_forward_length", U(64)),
        ("leading_dense_block_count", U(1)), ("expert_shared_count", U(2)), ("expert_weights_scale", F(2.5)), ("expert_weights_norm", B(true)),
        ("expert_gating_func", U(2)), ("expert_group_count", U(4)), ("expert_group_used_count", U(2))]),
    row("dots1/chosen", ONE, DENSE_FIRST, OWN, &[("expert_count", U(6)), ("expert_used_count", U(3)), ("expert_feed_forward_length", U(32)),
        ("leading_dense_block_count", U(1)), ("expert_shared_count", U(1)), ("expert_gating_func", U(3))]),
    row("ernie4_5-moe", WIDE, "attn_norm attn_q attn_k attn_v attn_output ffn_norm =ffn_gate =ffn_up =ffn_down -ffn_gate_inp -exp_probs_b.bias \
        -ffn_gate_exps -ffn_up_exps -ffn_down_exps -ffn_gate_shexp -ffn_up_shexp -ffn_down_shexp", TIED, &[("expert_count", U(8)),
        ("expert_used_count", U(2)), ("expert_feed_forward_length", U(32)), ("leading_dense_block_count", U(1)),
        ("interleave_moe_layer_step", U(1)), ("expert_shared_feed_forward_length", U(64))]),
    row("glm4moe", ONE, GLM_EXPERTS, OWN, &[("rope.dimension_count", U(12)), ("expert_count", U(8)), ("expert_used_count", U(3)),
        ("expert_feed_forward_length", U(64)), ("leading_dense_block_count", U(1)), ("expert_shared_count", U(1)),
        ("expert_weights_scale", F(1.5)), ("expert_weights_norm", B(true))]),
    // Its last layer guesses further tokens.
    row("glm4moe/ahead", LONG, GLM_EXPERTS, TIED, &[("rope.dimension_count", U(8)), ("expert_count", U(4)), ("expert_used_count", U(2)),
        ("expert_feed_forward_length", U(32)), ("leading_dense_block_count", U(1)), ("expert_shared_count", U(1)),
        ("nextn_predict_layers", U(1))]),
    row("hunyuan-moe", EIGHT, "attn_norm attn_q attn_k attn_v attn_q_norm attn_k_norm attn_output ffn_norm EXPERTS SHARED", TIED,
        &[("expert_count", U(4)), ("expert_used_count", U(2)), ("expert_feed_forward_length", U(96))]),
    row("lfm2", THREE, CONV_FIRST, "token_embd_norm", &[("shortconv.l_cache", U(3)), ("attention.head_count_kv", I(&[0, 1, 1]))]),
    row("lfm2/slim", SLIM_SQUARE, CONV_LAST, "token_embd_norm output", &[("shortconv.l_cache", U(4)), ("attention.head_count_kv", I(&[6, 0, 0]))]),
    row("lfm2/window", ONE, CONV_FIRST, "token_embd_norm", &[("shortconv.l_cache", U(2)), ("attention.head_count_kv", I(&[0, 4, 4])),
        ("attention.sliding_window", U(WINDOW))]),
    row("lfm2moe", ONE, CONV_EXPERTS, "token_embd_norm", &[("shortconv.l_cache", U(3)), ("attention.head_count_kv", I(&[0, 4, 4])),
        ("expert_count", U(8)), ("expert_used_count", U(3)), ("expert_feed_forward_length", U(64)), ("leading_dense_block_count", U(1)),
        ("expert_gating_func", U(2))]),
    row("mamba2", ONE, MAMBA, TIED, &[("ssm.conv_kernel", U(4)), ("ssm.inner_size", U(192)), ("ssm.state_size", U(16)),
        ("ssm.time_step_rank", U(6)), ("ssm.group_count", U(2)), ("attention.head_count", U(0)), ("feed_forward_length", U(0))]),
    // States that leave threads idle, of heads whose numbers are no power of two, and a width that is no multiple of 32.
    row("mamba2/slim", SLIM, MAMBA, OWN, &[("ssm.conv_kernel", U(3)), ("ssm.inner_size", U(180)), ("ssm.state_size", U(20)),
        ("ssm.time_step_rank", U(15)), ("ssm.group_count", U(3)), ("attention.head_count", U(0)), ("feed_forward_length", U(0))]),
    // As wide as states are: more than a workgroup has threads for 8 numbers of x.
    row("mamba2/wide", SLIM_ODD, MAMBA, TIED, &[("ssm.conv_kernel", U(2)), ("ssm.inner_size", U(60)), ("ssm.state_size", U(256)),
        ("ssm.time_step_rank", U(5)), ("ssm.group_count", U(1)), ("attention.head_count", U(0)), ("feed_forward_length", U(0))]),
    row("mamba", ONE, MAMBA_1, TIED, &[("ssm.conv_kernel", U(4)), ("ssm.inner_size", U(192)), ("ssm.state_size", U(16)),
        ("ssm.time_step_rank", U(6)), ("attention.head_count", U(0)), ("feed_forward_length", U(0))]),
    // As FalconMamba: with norms that have no weights. Widths that are no multiples of 32, ranks and states none of a thread's.
    row("mamba/normed", SLIM, MAMBA_1, OWN, &[("ssm.conv_kernel", U(3)), ("ssm.inner_size", U(200)), ("ssm.state_size", U(20)),
        ("ssm.time_step_rank", U(7)), ("ssm.dt_b_c_rms", B(true)), ("attention.head_count", U(0)), ("feed_forward_length", U(0))]),
    row("mamba/wide", SLIM_ODD, MAMBA_1, TIED, &[("ssm.conv_kernel", U(2)), ("ssm.inner_size", U(140)), ("ssm.state_size", U(256)),
        ("ssm.time_step_rank", U(33)), ("attention.head_count", U(0)), ("feed_forward_length", U(0))]),
    row("jamba", LONG, "JAMBA 024:ffn_gate 024:ffn_up 024:ffn_down 13:ffn_gate_inp 13:ffn_gate_exps 13:ffn_up_exps 13:ffn_down_exps", TIED,
        &[("attention.head_count_kv", I(&[0, 0, 2, 0, 0])), ("ssm.conv_kernel", U(4)), ("ssm.inner_size", U(192)), ("ssm.state_size", U(16)),
        ("ssm.time_step_rank", U(6)), ("expert_count", U(6)), ("expert_used_count", U(2))]),
    // As Jamba Reasoning 3B: a mixture by name only.
    row("jamba/slim", SLIM_SQUARE, "JAMBA ffn_gate ffn_up ffn_down", OWN, &[("attention.head_count_kv", I(&[0, 0, 6])),
        ("ssm.conv_kernel", U(2)), ("ssm.inner_size", U(144)), ("ssm.state_size", U(12)), ("ssm.time_step_rank", U(5)),
        ("expert_count", U(1)), ("expert_used_count", U(1))]),
    row("granitehybrid", ONE, HYBRID_FEED, TIED, &[("attention.head_count_kv", I(&[0, 4, 0])), ("ssm.conv_kernel", U(4)),
        ("ssm.inner_size", U(192)), ("ssm.state_size", U(24)), ("ssm.time_step_rank", U(12)), ("ssm.group_count", U(1)),
        ("rope.scaling.finetuned", B(false)), ("attention.scale", F(0.25)), ("embedding_scale", F(6.0)), ("residual_scale", F(0.4)),
        ("logit_scale", F(1.5))]),
    row("granitehybrid/experts", SLIM_ODD, HYBRID_EXPERTS, OWN, &[("attention.head_count_kv", I(&[0, 0, 1])), ("ssm.conv_kernel", U(3)),
        ("ssm.inner_size", U(140)), ("ssm.state_size", U(12)), ("ssm.time_step_rank", U(7)), ("ssm.group_count", U(1)),
        ("expert_count", U(4)), ("expert_used_count", U(2)), ("expert_shared_feed_forward_length", U(36)), ("residual_scale", F(0.4)),
        ("logit_scale", F(1.5))]),
    row("nemotron_h", LONG, "NEMOTRON_H 14:ffn_up 14:ffn_down", OWN, &[("attention.head_count_kv", I(&[0, 0, 2, 0, 0])),
        ("feed_forward_length", I(&[0, 96, 0, 0, 96])), ("ssm.conv_kernel", U(4)), ("ssm.inner_size", U(128)), ("ssm.state_size", U(24)),
        ("ssm.time_step_rank", U(8)), ("ssm.group_count", U(4))]),
    row("nemotron_h_moe", LONG, "NEMOTRON_H 14:ffn_gate_inp 14:exp_probs_b.bias 14:ffn_up_exps 14:ffn_down_exps 14:ffn_up_shexp \
        14:ffn_down_shexp", OWN, &[("attention.head_count_kv", I(&[0, 0, 2, 0, 0])), ("feed_forward_length", I(&[0, 36, 0, 0, 36])),
        ("ssm.conv_kernel", U(4)), ("ssm.inner_size", U(96)), ("ssm.state_size", U(16)), ("ssm.time_step_rank", U(6)), ("ssm.group_count", U(3)),
        ("expert_count", U(6)), ("expert_used_count", U(3)), ("expert_feed_forward_length", U(36)), ("expert_shared_count", U(1)),
        ("expert_shared_feed_forward_length", U(72)), ("expert_weights_norm", B(true)), ("expert_weights_scale", F(2.5))]),
    row("falcon-h1", THREE, BESIDE, TIED, &[("ssm.conv_kernel", U(4)), ("ssm.inner_size", U(144)), ("ssm.state_size", U(64)),
        ("ssm.time_step_rank", U(6)), ("ssm.group_count", U(1))]),
    row("falcon-h1/normed", SLIM_SQUARE, "BESIDE ssm_norm", OWN, &[("ssm.conv_kernel", U(2)), ("ssm.inner_size", U(120)),
        ("ssm.state_size", U(36)), ("ssm.time_step_rank", U(6)), ("ssm.group_count", U(2))]),
    row("qwen35", LONG, "DELTA_LAYERS ffn_gate ffn_up ffn_down", TIED, &[("rope.dimension_count", U(12)),
        ("rope.dimension_sections", I(&[2, 2, 2, 0])), ("ssm.conv_kernel", U(4)), ("ssm.inner_size", U(120)), ("ssm.state_size", U(20)),
        ("ssm.time_step_rank", U(6)), ("ssm.group_count", U(2))]),
    // Widths that are no multiples of 32, heads as wide as they can be, and a list of the layers with states.
    row("qwen35/slim", SLIM_ODD, "DELTA_FIRST =ssm_beta =ssm_alpha ffn_gate ffn_up ffn_down", OWN, &[("rope.dimension_count", U(8)),
        ("rope.dimension_sections", I(&[2, 1, 1, 0])), ("ssm.conv_kernel", U(2)), ("ssm.inner_size", U(384)), ("ssm.state_size", U(128)),
        ("ssm.time_step_rank", U(3)), ("ssm.group_count", U(3)), ("attention.recurrent_layers", T(&[true, false, false]))]),
    row("qwen35moe", LONG, "DELTA_LAYERS EXPERTS ffn_gate_inp_shexp SHARED", OWN, &[("feed_forward_length", U(0)), ("rope.dimension_count", U(8)),
        ("rope.dimension_sections", I(&[2, 1, 1, 0])), ("ssm.conv_kernel", U(3)), ("ssm.inner_size", U(96)), ("ssm.state_size", U(16)),
        ("ssm.time_step_rank", U(6)), ("ssm.group_count", U(3)), ("expert_count", U(8)), ("expert_used_count", U(3)),
        ("expert_feed_forward_length", U(36)), ("expert_shared_feed_forward_length", U(72))]),
    row("qwen3next", SLIM, "DELTA_FIRST =ssm_ba EXPERTS ffn_gate_inp_shexp SHARED", TIED, &[("rope.dimension_count", U(4)),
        ("ssm.conv_kernel", U(4)), ("ssm.inner_size", U(144)), ("ssm.state_size", U(24)), ("ssm.time_step_rank", U(6)), ("ssm.group_count", U(2)),
        ("attention.recurrent_layers", T(&[true, false, false])), ("expert_count", U(5)), ("expert_used_count", U(2)),
        ("expert_feed_forward_length", U(64)), ("expert_shared_feed_forward_length", U(32))]),
    row("bailingmoe", ONE, "attn_norm attn_q attn_k attn_v attn_output ffn_norm EXPERTS SHARED", OWN, &[("expert_count", U(6)),
        ("expert_used_count", U(2)), ("expert_feed_forward_length", U(36)), ("expert_shared_count", U(2)), ("expert_weights_norm", B(true))]),
    row("bailingmoe2", ONE, "attn_norm attn_qkv attn_q_norm attn_k_norm attn_output ffn_norm MLA_FEED -exp_probs_b.bias", OWN,
        &[("rope.dimension_count", U(12)), ("expert_count", U(8)), ("expert_used_count", U(3)), ("expert_feed_forward_length", U(64)),
        ("leading_dense_block_count", U(1)), ("expert_shared_count", U(1)), ("expert_gating_func", U(2)), ("expert_weights_norm", B(true)),
        ("expert_weights_scale", F(2.5)), ("expert_group_count", U(4)), ("expert_group_used_count", U(2))]),
    row("deepseek", ONE, "attn_norm attn_q attn_k attn_v attn_output ffn_norm MLA_FEED", TIED, &[("expert_count", U(5)),
        ("expert_used_count", U(2)), ("expert_feed_forward_length", U(36)), ("leading_dense_block_count", U(1)),
        ("expert_shared_count", U(2))]),
    row("minimax-m2", WIDE, "attn_norm attn_q attn_k attn_v attn_q_norm*all attn_k_norm*all attn_output ffn_norm EXPERTS exp_probs_b.bias", OWN,
        &[("rope.dimension_count", U(24)), ("expert_count", U(8)), ("expert_used_count", U(3)), ("expert_feed_forward_length", U(96)),
        ("expert_gating_func", U(2))]),
    row("mellum", LONG, QWEN3_EXPERTS, OWN, &[("expert_count", U(6)), ("expert_used_count", U(2)), ("expert_feed_forward_length", U(36)),
        ("attention.sliding_window", U(WINDOW)), ("rope.scaling.type", S("yarn")), ("rope.scaling.factor", F(4.0)),
        ("rope.scaling.original_context_length", U(16))]),
    row("afmoe", LONG, "attn_norm attn_q attn_k attn_v attn_q_norm attn_k_norm attn_gate*q attn_output post_attention_norm ffn_norm MLA_FEED \
        -exp_probs_b.bias post_ffw_norm", OWN, &[("expert_count", U(6)), ("expert_used_count", U(2)), ("expert_feed_forward_length", U(36)),
        ("leading_dense_block_count", U(1)), ("expert_shared_count", U(1)), ("expert_weights_norm", B(true)),
        ("expert_weights_scale", F(2.8)), ("attention.sliding_window", U(WINDOW))]),
    row("qwen3vlmoe", WIDE, QWEN3_EXPERTS, TIED, &[("rope.dimension_sections", I(&[8, 8, 8, 0])), ("expert_count", U(5)),
        ("expert_used_count", U(2)), ("expert_feed_forward_length", U(36))]),
    row("plamo", ONE, "attn_norm attn_q attn_k attn_v attn_output ffn_gate ffn_up ffn_down", OWN, &[]),
    row("plamo3", LONG, "attn_norm attn_qkv attn_q_norm attn_k_norm attn_output post_attention_norm! ffn_norm ffn_up*2 ffn_down post_ffw_norm!",
        TIED, &[("attention.sliding_window", U(WINDOW)), ("attention.sliding_window_pattern", T(&[true, false, true, true, false])),
        ("rope.freq_base_swa", F(500.0))]),
    row("openelm", THREE, "attn_norm 02:attn_qkv 1:attn_qkv*more attn_q_norm attn_k_norm 02:attn_output 1:attn_output*more ffn_norm 02:ffn_gate \
        02:ffn_up 02:ffn_down 1:ffn_gate*2 1:ffn_up*2 1:ffn_down*2", TIED, &[("attention.head_count", I(&[3, 6, 3])),
        ("attention.head_count_kv", I(&[1, 2, 1])), ("feed_forward_length", I(&[160, 320, 160]))]),
    row("refact", EIGHT, LLAMA, TIED, &[]),
    row("jais2", ONE, "attn_norm+ attn_q+ attn_k+ attn_v+ attn_output+ ffn_norm+ ffn_up+ ffn_down+", LAYERNORM_OWN, &[]),
    row("pangu-embedded", WIDE, "attn_norm attn_q+ attn_k+ attn_v+ attn_output+ ffn_norm ffn_gate ffn_up ffn_down", TIED, &[]),
    row("paddleocr", EIGHT, LLAMA, OWN, &[("rope.dimension_sections", I(&[4, 3, 3, 0]))]),
    row("hunyuan_vl", EIGHT, HEADS_NORMED, TIED, &[("rope.dimension_sections", I(&[4, 3, 3, 0])), ("rope.scaling.alpha", F(10.0))]),
    row("internlm2", THREE, LLAMA, OWN, &[]),
    row("xverse", ONE, LLAMA, OWN, &[]),
    row("ernie4_5", EIGHT, LLAMA, TIED, &[]),
    row("baichuan", DEEP, LLAMA, OWN, &[]),
    row("mistral3", ONE, LLAMA, OWN, &[("attention.temperature_scale", F(0.3)), ("rope.scaling.type", S("yarn")), ("rope.freq_base", F(1e3)),
        ("rope.scaling.factor", F(4.0)), ("rope.scaling.original_context_length", U(8)), ("rope.scaling.yarn_log_multiplier", F(0.5)),
        ("rope.scaling.yarn_beta_fast", F(4.0)), ("rope.scaling.yarn_beta_slow", F(0.5))]),
    row("smollm3", LONG, LLAMA, TIED, &[]),
    row("hunyuan-dense", EIGHT, HEADS_NORMED, TIED, &[("rope.scaling.alpha", F(10.0))]),
    row("maincoder", WIDE, HEADS_NORMED, TIED, &[]),
    row("phi3", ONE, FUSED, "output_norm output rope_factors_long rope_factors_short", &[("rope.dimension_count", U(16)),
        ("rope.scaling.original_context_length", U(16)), ("rope.scaling.attn_factor", F(1.19)), ("attention.sliding_window", U(WINDOW))]),
    row("granite", THREE, LLAMA, TIED, &[("attention.scale", F(0.25)), ("embedding_scale", F(6.0)), ("residual_scale", F(0.4)),
        ("logit_scale", F(1.5))]),
    row("minicpm", EIGHT, LLAMA, TIED, &[]),
    row("gemma", WIDE, LLAMA, TIED, &[]),
    row("gemma2", WIDE, "attn_norm attn_q attn_k attn_v attn_output post_attention_norm ffn_norm ffn_gate ffn_up ffn_down post_ffw_norm", TIED,
        &[("attention.sliding_window", U(WINDOW)), ("attn_logit_softcapping", F(2.0)), ("final_logit_softcapping", F(9.0))]),
    row("gemma4", SIX, GEMMA4, "output_norm rope_freqs per_layer_token_embd per_layer_model_proj per_layer_proj_norm", &[
        ("attention.sliding_window_pattern", T(&[true, true, false, true, false, true])), ("attention.sliding_window", U(WINDOW)),
        ("attention.shared_kv_layers", U(3)), ("embedding_length_per_layer_input", U(32)), ("feed_forward_length", I(&[96, 96, 96, 192, 192, 192])),
        ("attention.key_length_swa", U(24)), ("attention.value_length_swa", U(24)), ("rope.dimension_count_swa", U(16)),
        ("rope.freq_base_swa", F(500.0)), ("final_logit_softcapping", F(9.0))]),
    // Without embeddings of each layer, and as many keys as layers.
    row("gemma4/plain", WIDER, "GEMMA4_PLAIN 1:attn_v", "output_norm output rope_freqs", &[("embedding_length_per_layer_input", U(0)),
        ("attention.sliding_window_pattern", T(&[true, false])), ("attention.sliding_window", U(WINDOW)),
        ("attention.key_length_swa", U(40)), ("attention.value_length_swa", U(40)), ("rope.dimension_count_swa", U(40))]),
    // Without values in the layers that see everything, and with experts.
    row("gemma4/experts", WIDER, GEMMA4_EXPERTS, "output_norm rope_freqs", &[("embedding_length_per_layer_input", U(0)),
        ("attention.sliding_window_pattern", T(&[true, false])), ("attention.sliding_window", U(WINDOW)),
        ("attention.key_length_swa", U(40)), ("attention.value_length_swa", U(40)), ("rope.dimension_count_swa", U(40)),
        ("expert_count", U(9)), ("expert_used_count", U(3)), ("expert_feed_forward_length", U(36))]),
    row("gpt-oss", LONG, GPT_OSS, OWN, &[("attention.sliding_window", U(WINDOW)), ("rope.freq_base", F(1e3)), ("rope.scaling.type", S("yarn")),
        ("rope.scaling.factor", F(8.0)), ("rope.scaling.original_context_length", U(16)), ("expert_count", U(6)), ("expert_used_count", U(3)),
        ("expert_feed_forward_length", U(72))]),
    row("deepseek2", MLA, "attn_norm attn_q_a attn_q_a_norm attn_q_b attn_kv_a_mqa attn_kv_a_norm attn_k_b attn_v_b attn_output*mla ffn_norm MLA_FEED",
        OWN, &[("attention.value_length", U(64)), ("attention.key_length_mla", U(48)), ("attention.value_length_mla", U(24)),
        ("attention.kv_lora_rank", U(64)), ("attention.q_lora_rank", U(96)), ("rope.dimension_count", U(16)), ("expert_count", U(8)),
        ("expert_used_count", U(3)), ("expert_feed_forward_length", U(64)), ("leading_dense_block_count", U(1)), ("expert_shared_count", U(2)),
        ("expert_weights_scale", F(2.5)), ("expert_weights_norm", B(true)), ("expert_gating_func", U(2)), ("expert_group_count", U(4)),
        ("expert_group_used_count", U(2)), ("rope.freq_base", F(1e3)), ("rope.scaling.type", S("yarn")), ("rope.scaling.factor", F(8.0)),
        ("rope.scaling.original_context_length", U(16)), ("rope.scaling.yarn_log_multiplier", F(0.0707))]),
    // With queries of the stream, and one tensor for keys and values: as old files have V2-Lite, which llama.cpp knows by its layers.
    row("deepseek2/lite", MLA_LITE, "attn_norm attn_q*mla attn_kv_a_mqa attn_kv_a_norm attn_kv_b attn_output*mla ffn_norm MLA_FEED", TIED,
        &[("attention.value_length", U(32)), ("attention.kv_lora_rank", U(32)), ("rope.dimension_count", U(8)), ("expert_count", U(4)),
        ("expert_used_count", U(2)), ("expert_feed_forward_length", U(32)), ("leading_dense_block_count", U(1)), ("expert_shared_count", U(1))]),
    row("minicpm3", MINI, "attn_norm attn_q_a attn_q_a_norm attn_q_b attn_kv_a_mqa attn_kv_a_norm attn_kv_b attn_output*mla ffn_norm ffn_gate ffn_up ffn_down",
        "output_norm rope_factors_long rope_factors_short", &[("attention.value_length", U(28)), ("attention.kv_lora_rank", U(96)),
        ("attention.q_lora_rank", U(64)), ("rope.dimension_count", U(12)), ("rope.scaling.type", S("longrope")),
        ("rope.scaling.original_context_length", U(16)), ("rope.scaling.attn_factor", F(1.19))]),
    row("phimoe", ONE, "attn_norm+ attn_q+ attn_k+ attn_v+ attn_output+ ffn_norm+ EXPERTS", "output_norm+ output+ rope_factors_long rope_factors_short",
        &[("expert_count", U(6)), ("expert_used_count", U(2)), ("rope.scaling.type", S("longrope")),
        ("rope.scaling.original_context_length", U(16)), ("rope.scaling.attn_factor", F(1.19))]),
    row("phimoe/slim", SLIM_SQUARE, "attn_norm+ attn_q+ attn_k+ attn_v+ attn_output+ ffn_norm+ EXPERTS", "output_norm+ output+",
        &[("expert_count", U(4)), ("expert_used_count", U(2))]),
    row("olmo2", THREE, "attn_q attn_k attn_v attn_q_norm*all attn_k_norm*all BEHIND", OWN, &[]),
    row("olmo2/window", LONG, "attn_q attn_k attn_v attn_q_norm*all attn_k_norm*all BEHIND", OWN, &[("attention.sliding_window", U(WINDOW)),
        ("rope.scaling.type", S("yarn")), ("rope.scaling.factor", F(4.0)), ("rope.scaling.original_context_length", U(16))]),
    row("exaone", THREE, LLAMA, "output_norm rope_freqs", &[]),
    row("exaone4", EIGHT, "attn_q attn_k attn_v attn_q_norm attn_k_norm BEHIND", "output_norm output rope_freqs", &[]),
    row("exaone4/window", DEEPER, "attn_q attn_k attn_v attn_q_norm attn_k_norm BEHIND", TIED, &[("attention.sliding_window", U(WINDOW))]),
    row("glm4", ONE, "attn_norm attn_q+ attn_k+ attn_v+ attn_output post_attention_norm ffn_norm ffn_up*2 ffn_down post_ffw_norm", OWN,
        &[("rope.dimension_count", U(12))]),
    row("chatglm", EIGHT, "attn_norm attn_qkv+ attn_output ffn_norm ffn_up*2 ffn_down", OWN, &[("rope.dimension_count", U(12))]),
    row("arcee", WIDE, "attn_norm attn_q attn_k attn_v attn_output ffn_norm ffn_up ffn_down", "output_norm rope_freqs", &[]),
    row("apertus", WIDE, "attn_norm attn_q attn_k attn_v attn_q_norm attn_k_norm attn_output ffn_norm ffn_up ffn_down",
        "output_norm output rope_freqs", &[("/xielu.alpha_p", F(0.8)), ("/xielu.alpha_n", F(0.7)), ("/xielu.beta", F(0.5)), ("/xielu.eps", F(-0.25))]),
    row("seed_oss", WIDE, "attn_norm attn_q+ attn_k+ attn_v+ attn_output post_attention_norm ffn_gate ffn_up ffn_down", OWN, &[]),
    row("orion", ONE, LAYERNORM, LAYERNORM_OWN, &[]),
    row("mpt", EIGHT, "attn_norm attn_qkv attn_output ffn_norm ffn_up ffn_down", TIED, &[("attention.max_alibi_bias", F(8.0)),
        ("attention.clamp_kqv", F(1.5))]),
    row("mpt/learned", ONE, "attn_norm+ attn_qkv+ attn_output+ ffn_norm+ ffn_up+ ffn_down+",
        "position_embd output_norm+ output", &[]),
    row("bloom", ODD, GPT, "token_embd_norm+ output_norm+", &[]),
    row("baichuan/alibi", DEEP_ALIBI, LLAMA, OWN, &[]),
    row("olmo/clamp", ONE, "attn_q attn_k attn_v attn_output ffn_gate ffn_up ffn_down", "", &[("attention.clamp_kqv", F(1.0))]),
    row("olmo", ONE, "attn_q attn_k attn_v attn_output ffn_gate ffn_up ffn_down", "", &[]),
    row("nemotron", THREE, "attn_norm+ attn_q attn_k attn_v attn_output ffn_norm+ ffn_up ffn_down", LAYERNORM_OWN, &[("rope.dimension_count", U(16))]),
    row("starcoder2", THREE, "attn_norm+ attn_q+ attn_k+ attn_v+ attn_output+ ffn_norm+ ffn_up+ ffn_down+", LAYERNORM_TIED, &[]),
    row("codeshell", EIGHT, GPT, LAYERNORM_OWN, &[]),
    row("gpt2", ONE, GPT, "position_embd output_norm+", &[]),
    row("starcoder", EIGHT, GPT, "position_embd output_norm+ output", &[]),
    row("gptneox", ONE, GPT, LAYERNORM_OWN, &[("use_parallel_residual", B(true)), ("rope.dimension_count", U(8))]),
    row("gptneox/sequential", ONE, GPT, LAYERNORM_OWN, &[("use_parallel_residual", B(false))]),
    row("phi2", ONE, "attn_norm+ attn_qkv+ attn_output+ ffn_up+ ffn_down+", "output_norm+ output+", &[("rope.dimension_count", U(8))]),
    row("falcon", EIGHT, "attn_norm+ attn_qkv attn_output ffn_up ffn_down", LAYERNORM_TIED, &[]),
    row("falcon/two", THREE, "attn_norm+ attn_norm_2+ attn_qkv attn_output ffn_up ffn_down", LAYERNORM_OWN, &[]),
    row("stablelm", ONE, "attn_norm+ attn_q+ attn_k+ attn_v+ attn_output ffn_norm+ ffn_gate ffn_up ffn_down", LAYERNORM_OWN, &[("rope.dimension_count", U(8))]),
    row("stablelm/parallel", ONE, "attn_norm+ attn_q attn_k attn_v attn_output ffn_gate ffn_up ffn_down", LAYERNORM_OWN, &[("rope.dimension_count", U(8))]),
    row("stablelm/each", LONG, "attn_norm+ attn_q attn_k attn_v attn_q_norm*each attn_k_norm*each attn_output ffn_gate ffn_up ffn_down",
        LAYERNORM_OWN, &[("rope.dimension_count", U(12))]),
    row("command-r", THREE, SIDE_BY_SIDE, TIED, &[("logit_scale", F(0.5))]),
    row("command-r/plus", DEEPER, "attn_norm attn_q attn_k attn_v attn_q_norm*each attn_k_norm*each attn_output ffn_gate ffn_up ffn_down", TIED,
        &[("logit_scale", F(0.5))]),
    row("cohere2", LONG, SIDE_BY_SIDE, TIED, &[("logit_scale", F(0.25)), ("attention.sliding_window", U(WINDOW))]),
];

impl Row {
    /// The same tensors of other sizes: all that the file is to say besides those of the row.
    pub fn of(self, keys: &'static [(&'static str, Key)]) -> Row {
        Row { keys, ..self }
    }

    /// The value of `general.architecture`.
    pub fn arch(&self) -> &'static str {
        self.name.split('/').next().unwrap_or(self.name)
    }

    /// The file.
    pub fn assemble(&self) -> Gguf {
        let mut file = Gguf { version: 3, metadata: Vec::new(), tensors: Vec::new() };
        self.write_metadata(&mut file);
        let n_vocab = vocab::write(self.vocab(), &mut file);
        let mut add = |name: String, word: &str| {
            if let Some(tensor) = word.strip_suffix(".scale") {
                // Of a whole tensor, of a row that it is multiplied with, or of each expert.
                let count = match tensor {
                    "ffn_gate_inp" => self.shape(tensor, n_vocab)[0],
                    "ffn_down_exps" => self.shape(tensor, n_vocab)[2],
                    _ => 1,
                };
                let mut rng = Rng::named(&format!("{}/{name}", self.name));
                return push(&mut file, name, &[count], (0..count).map(|_| 0.5 + rng.unit()).collect());
            }
            let (tensor, bias) = word.strip_suffix('+').map_or((word, false), |word| (word, true));
            let (tensor, bare) = tensor.strip_suffix('!').map_or((tensor, false), |tensor| (tensor, true));
            let (tensor, alone) = tensor.strip_suffix(".bias").map_or((tensor, false), |tensor| (tensor, true));
            let shape = self.shape(tensor, n_vocab);
            let name = name.replace(word, tensor.split('*').next().unwrap_or(tensor));
            let mut rng = Rng::named(&format!("{}/{name}", self.name));
            if bias || alone {
                let shape = &shape[1.min(shape.len() - 1)..];
                let floats = (0..shape.iter().product()).map(|_| 0.5 * rng.symmetric()).collect();
                push(&mut file, format!("{name}.bias"), shape, floats);
            }
            if alone {
                return;
            }
            let data = match (tensor, shape.len()) {
                ("token_embd" | "output", _) => matrix(&shape, if tensor == "output" { 3.0 } else { 2.0 }, &mut rng),
                ("ssm_a" | "ssm_a*flat" | "ssm_a*state", _) => {
                    (0..shape.iter().product::<usize>()).map(|_| -0.25 - 2.0 * rng.unit()).collect()
                }
                ("ssm_d" | "ssm_norm", _) => {
                    (0..shape.iter().product()).map(|_| 1.0 + 0.25 * rng.symmetric()).collect()
                }
                (_, 2 | 3) => matrix(&shape, 1.25, &mut rng),
                (factors, _) if factors.starts_with("rope_f") => {
                    (0..shape[0]).map(|_| 1.0 + 3.0 * rng.unit()).collect()
                }
                _ => (0..shape[0]).map(|_| 1.0 + 0.25 * rng.symmetric()).collect(),
            };
            let name = if bare { name } else { format!("{name}.weight") };
            push(&mut file, name, &shape, data);
        };
        add("token_embd".into(), "token_embd");
        self.ends.split_whitespace().for_each(|word| add(word.into(), word));
        let layer_words = self
            .layer
            .replace("GEMMA4_PLAIN", GEMMA4_PLAIN)
            .replace("BEHIND", BEHIND)
            .replace("DELTA_LAYERS", DELTA)
            .replace("DELTA_FIRST", DELTA_FIRST)
            .replace("BESIDE", BESIDE)
            .replace("NEMOTRON_H", NEMOTRON_H)
            .replace("JAMBA", JAMBA)
            .replace("EXPERTS", EXPERTS)
            .replace("SHARED", SHARED)
            .replace("MLA_FEED", MLA_FEED);
        for layer in 0..self.dims.n_layers {
            let skipped = if layer > 0 { '=' } else { '-' };
            let words = layer_words.split_whitespace().filter(|word| !word.starts_with(skipped));
            words.filter_map(|word| in_layer(word, layer)).for_each(|word| add(format!("blk.{layer}.{word}"), word));
        }
        file
    }

    fn vocab(&self) -> Vocab {
        match self.name {
            "bert/labels" => Vocab::Unigram,
            "qwen3/rerank" => Vocab::Judge,
            name if name.contains("bert") => Vocab::WordPiece,
            _ => Vocab::Bpe("smollm"),
        }
    }

    fn write_metadata(&self, file: &mut Gguf) {
        let (d, arch) = (&self.dims, self.arch());
        file.set("general.architecture", Value::Str(arch.into()));
        let mut set = |key: &str, value: Key| {
            let key = key.strip_prefix('/').map_or_else(|| format!("{arch}.{key}"), String::from);
            let value = match value {
                U(number) => Value::U32(number),
                F(number) => Value::F32(number),
                B(flag) => Value::Bool(flag),
                S(text) => Value::Str(text.into()),
                I(list) => Value::Ints(list.into()),
                T(list) => Value::Bools(list.into()),
            };
            file.set(&key, value);
        };
        for (key, size) in [
            ("block_count", d.n_layers),
            ("context_length", CONTEXT as usize),
            ("embedding_length", d.n_embd),
            ("feed_forward_length", d.n_ff),
            ("attention.head_count", d.n_heads),
            ("attention.head_count_kv", d.n_kv_heads),
            ("attention.key_length", d.head_dim),
            ("attention.value_length", d.head_dim),
            ("rope.dimension_count", d.head_dim),
        ] {
            set(key, U(size as u32));
        }
        // Larger than real models have it, so that a wrong epsilon shows.
        set("attention.layer_norm_rms_epsilon", F(1e-3));
        set("attention.layer_norm_epsilon", F(2e-3));
        self.keys.iter().for_each(|(key, value)| set(key, *value));
    }
}

/// The named model's bytes.
pub fn build(name: &str) -> Option<Vec<u8>> {
    ROWS.iter().find(|row| row.name == name).map(|row| row.assemble().to_bytes())
}

/// A word without what says that this layer has it.
fn in_layer(word: &str, layer: usize) -> Option<&str> {
    match word.split_once(':') {
        Some((layers, word)) => layers.contains(&layer.to_string()).then_some(word),
        None => Some(word.trim_start_matches(['-', '='])),
    }
}

/// A matrix that turns inputs of size 1 into outputs of size `gain`.
fn matrix(shape: &[usize], gain: f32, rng: &mut Rng) -> Vec<f32> {
    let data = random_weights(F32, shape.iter().product(), gain / (shape[0] as f32).sqrt(), rng);
    data.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect()
}

fn push(file: &mut Gguf, name: String, shape: &[usize], floats: Vec<f32>) {
    let data = floats.iter().flat_map(|v| v.to_le_bytes()).collect();
    let shape = shape.iter().map(|&n| n as u64).collect();
    file.tensors.push(Tensor { name, shape, kind_id: F32.id, data, offset: None });
}
