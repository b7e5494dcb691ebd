//! What the words of a row of [`ROWS`](super::archs::ROWS) mean.

use super::Dims;
use super::archs::{CONTEXT, Key, Row};

impl Row {
    /// The shape of the tensor of this word, the length of a row first.
    pub(super) fn shape(&self, word: &str, n_vocab: usize) -> Vec<usize> {
        let d = &self.dims;
        let (n, q, kv, ff) = (d.n_embd, d.n_heads * d.head_dim, d.n_kv_heads * d.head_dim, d.n_ff);
        let size = |wanted: &str| {
            self.keys.iter().find_map(|(key, value)| match value {
                Key::U(size) if *key == wanted => Some(*size as usize),
                _ => None,
            })
        };
        let rotated = size("rope.dimension_count");
        let experts = size("expert_count").unwrap_or(1);
        let expert_ff = size("expert_feed_forward_length").unwrap_or(ff);
        let shared_ff = size("expert_shared_feed_forward_length");
        let shared_ff = shared_ff.unwrap_or(expert_ff * size("expert_shared_count").unwrap_or(1));
        let layers_own = size("embedding_length_per_layer_input").unwrap_or(0);
        if let Some(word) = word.strip_suffix("*swa") {
            // Of a layer that looks back over a window, whose heads have another size.
            let head_dim = size("attention.key_length_swa").unwrap_or(d.head_dim);
            let keys = &[];
            return Row { dims: Dims { head_dim, ..*d }, keys, ..*self }.shape(word, n_vocab);
        }
        let (rank, q_rank) = (size("attention.kv_lora_rank").unwrap_or(0), size("attention.q_lora_rank").unwrap_or(0));
        let key = size("attention.key_length_mla").unwrap_or(d.head_dim);
        let value = size("attention.value_length_mla").or(size("attention.value_length")).unwrap_or(d.head_dim);
        let own = key - rotated.unwrap_or(0).min(key);
        let ssm = |key: &str| size(&format!("ssm.{key}")).unwrap_or(1);
        let (inner, heads) = (ssm("inner_size"), ssm("time_step_rank"));
        let convolved = inner + 2 * ssm("group_count") * ssm("state_size");
        match word {
            "ssm_in" => vec![n, inner + convolved + heads],
            "ssm_in*two" => vec![n, 2 * inner],
            "ssm_conv1d*inner" => vec![ssm("conv_kernel"), inner],
            "ssm_x" => vec![inner, heads + 2 * ssm("state_size")],
            "ssm_dt*rank" => vec![heads, inner],
            "ssm_a*state" => vec![ssm("state_size"), inner],
            "ssm_d*inner" => vec![inner],
            "ssm_conv1d" => vec![ssm("conv_kernel"), convolved],
            "ssm_dt" | "ssm_dt_norm" | "ssm_a*flat" => vec![heads],
            "ssm_a" | "ssm_d" => vec![1, heads],
            "ssm_beta" | "ssm_alpha" => vec![n, heads],
            "ssm_ba" => vec![n, 2 * heads],
            "ssm_norm*head" | "ssm_b_norm" | "ssm_c_norm" => vec![ssm("state_size")],
            "attn_gate" => vec![n, inner],
            "attn_qkv*delta" => vec![n, convolved],
            "attn_q*gated" => vec![n, 2 * q],
            "ssm_norm" => vec![inner / ssm("group_count"), ssm("group_count")],
            "ssm_out" => vec![inner, n],
            "attn_q*mla" => vec![n, d.n_heads * key],
            "attn_q_a" => vec![n, q_rank],
            "attn_q_a_norm" => vec![q_rank],
            "attn_q_b" => vec![q_rank, d.n_heads * key],
            "attn_kv_a_mqa" => vec![n, rank + rotated.unwrap_or(0)],
            "attn_kv_a_norm" => vec![rank],
            "attn_k_b" => vec![own, rank, d.n_heads],
            "attn_v_b" => vec![rank, value, d.n_heads],
            "attn_kv_b" => vec![rank, d.n_heads * (own + value)],
            "attn_output*mla" => vec![d.n_heads * value, n],
            "token_embd" | "output" => vec![n, n_vocab],
            "per_layer_token_embd" => vec![layers_own * d.n_layers, n_vocab],
            "per_layer_model_proj" => vec![n, layers_own * d.n_layers],
            "per_layer_proj_norm" => vec![layers_own],
            "inp_gate" => vec![n, layers_own],
            "proj" => vec![layers_own, n],
            "layer_output_scale" => vec![1],
            "position_embd" => vec![n, CONTEXT as usize],
            "token_types" | "cls.output*2" => vec![n, 2],
            "cls" | "shortconv.out_proj" => vec![n, n],
            "dense_2" | "shortconv.in_proj" => vec![n, 3 * n],
            "dense_3" => vec![3 * n, n],
            "cls.output*1" => vec![n, 1],
            "cls.output*3" => vec![n, 3],
            "attn_gate*q" | "attn_q" => vec![n, q],
            "attn_qkv*more" => vec![n, 2 * (q + 2 * kv)],
            "attn_output*more" => vec![2 * q, n],
            "attn_k" | "attn_v" => vec![n, kv],
            "attn_qkv" => vec![n, q + 2 * kv],
            "attn_sinks" => vec![d.n_heads],
            "shortconv.conv" => vec![size("shortconv.l_cache").unwrap_or(1), n],
            "attn_output" => vec![q, n],
            "attn_q_norm" | "attn_k_norm" => vec![d.head_dim],
            "attn_q_norm*all" => vec![q],
            "attn_k_norm*all" => vec![kv],
            "attn_q_norm*each" => vec![d.head_dim, d.n_heads],
            "attn_k_norm*each" => vec![d.head_dim, d.n_kv_heads],
            "ffn_gate" | "ffn_up" => vec![n, ff],
            "ffn_gate*2" | "ffn_up*2" => vec![n, 2 * ff],
            "ffn_down" => vec![ff, n],
            "ffn_down*2" => vec![2 * ff, n],
            "ffn_gate_inp" => vec![n, experts],
            "exp_probs_b" => vec![experts],
            "ffn_gate_exps" | "ffn_up_exps" => vec![n, expert_ff, experts],
            "ffn_gate_up_exps" => vec![n, 2 * expert_ff, experts],
            "ffn_down_exps" => vec![expert_ff, n, experts],
            "ffn_gate_shexp" | "ffn_up_shexp" => vec![n, shared_ff],
            "ffn_down_shexp" => vec![shared_ff, n],
            factors if factors.starts_with("rope_f") => vec![rotated.unwrap_or(d.head_dim) / 2],
            _ => vec![n],
        }
    }
}
