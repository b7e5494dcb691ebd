//! The tensors of layers, by words that [`Row::shape`](super::archs::Row::shape) knows, which rows of
//! [`ROWS`](super::archs::ROWS) share.

pub const LLAMA: &str = "attn_norm attn_q attn_k attn_v attn_output ffn_norm ffn_gate ffn_up ffn_down";
pub const QKV_BIASED: &str = "attn_norm attn_q+ attn_k+ attn_v+ attn_output ffn_norm ffn_gate ffn_up ffn_down";
pub const FUSED: &str = "attn_norm attn_qkv attn_output ffn_norm ffn_up*2 ffn_down";
pub const SCALED: &str = "attn_norm attn_q attn_q.scale attn_k attn_k.scale attn_v attn_v.scale attn_output attn_output.scale ffn_norm \
    ffn_gate ffn_gate.scale ffn_up ffn_up.scale ffn_down ffn_down.scale";
pub const BEHIND: &str = "attn_output post_attention_norm ffn_gate ffn_up ffn_down post_ffw_norm";
pub const HEADS_NORMED: &str =
    "attn_norm attn_q attn_k attn_v attn_q_norm attn_k_norm attn_output ffn_norm ffn_gate ffn_up ffn_down";
pub const QWEN3_EXPERTS: &str = "attn_norm attn_q attn_k attn_v attn_q_norm attn_k_norm attn_output ffn_norm EXPERTS";
pub const EXPERTS: &str = "ffn_gate_inp ffn_gate_exps ffn_up_exps ffn_down_exps";
pub const SHARED: &str = "ffn_gate_shexp ffn_up_shexp ffn_down_shexp";
pub const GLM_EXPERTS: &str = "attn_norm attn_q+ attn_k+ attn_v+ attn_output post_attention_norm =ffn_gate =ffn_up =ffn_down \
    -ffn_gate_inp -exp_probs_b.bias -ffn_gate_exps -ffn_up_exps -ffn_down_exps -ffn_gate_shexp -ffn_up_shexp -ffn_down_shexp";
pub const DENSE_FIRST: &str = "attn_norm attn_q attn_k attn_v attn_q_norm attn_k_norm attn_output ffn_norm =ffn_gate =ffn_up =ffn_down \
    -ffn_gate_inp -exp_probs_b.bias -ffn_gate_exps -ffn_up_exps -ffn_down_exps -ffn_gate_shexp -ffn_up_shexp -ffn_down_shexp";
pub const GEMMA4: &str = "attn_norm 0135:attn_q*swa 24:attn_q 01:attn_k*swa 2:attn_k 01:attn_v*swa 2:attn_v 0135:attn_q_norm*swa \
    24:attn_q_norm 01:attn_k_norm*swa 2:attn_k_norm 0135:attn_output*swa 24:attn_output post_attention_norm ffn_norm \
    012:ffn_gate 012:ffn_up 012:ffn_down 345:ffn_gate*2 345:ffn_up*2 345:ffn_down*2 post_ffw_norm inp_gate proj post_norm \
    layer_output_scale";
pub const GEMMA4_PLAIN: &str = "attn_norm 0:attn_q*swa 1:attn_q 0:attn_k*swa 1:attn_k 0:attn_v*swa 0:attn_q_norm*swa 1:attn_q_norm \
    0:attn_k_norm*swa 1:attn_k_norm 0:attn_output*swa 1:attn_output post_attention_norm ffn_norm ffn_gate ffn_up ffn_down post_ffw_norm";
pub const GEMMA4_EXPERTS: &str = "GEMMA4_PLAIN ffn_gate_inp ffn_gate_inp.scale ffn_gate_up_exps ffn_down_exps ffn_down_exps.scale pre_ffw_norm_2 \
    post_ffw_norm_1 post_ffw_norm_2";
pub const GPT_OSS: &str = "attn_norm attn_q+ attn_k+ attn_v+ attn_sinks attn_output+ post_attention_norm ffn_gate_inp+ ffn_gate_exps+ ffn_up_exps+ \
    ffn_down_exps+";
pub const MLA_FEED: &str = "=ffn_gate =ffn_up =ffn_down -ffn_gate_inp -ffn_gate_exps -ffn_up_exps -ffn_down_exps -ffn_gate_shexp -ffn_up_shexp \
    -ffn_down_shexp";
pub const CONV_FIRST: &str = "attn_norm =shortconv.in_proj =shortconv.conv =shortconv.out_proj -attn_q -attn_k -attn_v -attn_q_norm \
    -attn_k_norm -attn_output ffn_norm ffn_gate ffn_up ffn_down";
pub const CONV_LAST: &str = "attn_norm -shortconv.in_proj -shortconv.conv -shortconv.out_proj =attn_q =attn_k =attn_v =attn_q_norm \
    =attn_k_norm =attn_output ffn_norm ffn_gate ffn_up ffn_down";
pub const CONV_EXPERTS: &str = "attn_norm =shortconv.in_proj =shortconv.conv =shortconv.out_proj -attn_q -attn_k -attn_v -attn_q_norm \
    -attn_k_norm -attn_output ffn_norm =ffn_gate =ffn_up =ffn_down -ffn_gate_inp -exp_probs_b.bias -ffn_gate_exps -ffn_up_exps \
    -ffn_down_exps";
pub const MAMBA: &str = "attn_norm ssm_in ssm_conv1d+ ssm_dt.bias ssm_a! ssm_d! ssm_norm ssm_out";
pub const MAMBA_1: &str = "attn_norm ssm_in*two ssm_conv1d*inner+ ssm_x ssm_dt*rank+ ssm_a*state! ssm_d*inner! ssm_out";
pub const JAMBA: &str = "attn_norm 0134:ssm_in*two 0134:ssm_conv1d*inner+ 0134:ssm_x 0134:ssm_dt_norm 0134:ssm_b_norm 0134:ssm_c_norm \
    0134:ssm_dt*rank+ 0134:ssm_a*state! 0134:ssm_d*inner! 0134:ssm_out 2:attn_q 2:attn_k 2:attn_v 2:attn_output ffn_norm";
pub const HYBRID_FEED: &str = "attn_norm 02:ssm_in 02:ssm_conv1d+ 02:ssm_dt.bias 02:ssm_a! 02:ssm_d! 02:ssm_norm 02:ssm_out 1:attn_q 1:attn_k \
    1:attn_v 1:attn_output ffn_norm ffn_gate ffn_up ffn_down";
pub const HYBRID_EXPERTS: &str = "attn_norm 01:ssm_in 01:ssm_conv1d+ 01:ssm_dt.bias 01:ssm_a! 01:ssm_d! 01:ssm_norm 01:ssm_out 2:attn_q 2:attn_k \
    2:attn_v 2:attn_output ffn_norm EXPERTS SHARED";
pub const NEMOTRON_H: &str = "attn_norm 03:ssm_in 03:ssm_conv1d+ 03:ssm_dt.bias 03:ssm_a! 03:ssm_d! 03:ssm_norm 03:ssm_out 2:attn_q 2:attn_k \
    2:attn_v 2:attn_output";
pub const BESIDE: &str = "attn_norm attn_q attn_k attn_v attn_output ssm_in ssm_conv1d+ ssm_dt.bias ssm_a! ssm_d! ssm_out ffn_norm! ffn_gate \
    ffn_up ffn_down";
pub const DELTA: &str = "attn_norm 0124:attn_gate 0124:attn_qkv*delta 0124:ssm_conv1d 0124:ssm_dt.bias 0124:ssm_a*flat! 0124:ssm_beta 0124:ssm_alpha \
    0124:ssm_norm*head 0124:ssm_out 3:attn_q*gated 3:attn_k 3:attn_v 3:attn_q_norm 3:attn_k_norm 3:attn_output post_attention_norm";
pub const DELTA_FIRST: &str = "attn_norm =attn_gate =attn_qkv*delta =ssm_conv1d =ssm_dt.bias =ssm_a*flat! =ssm_norm*head =ssm_out -attn_q*gated -attn_k -attn_v \
    -attn_q_norm -attn_k_norm -attn_output post_attention_norm";
pub const LAYERNORM: &str = "attn_norm+ attn_q attn_k attn_v attn_output ffn_norm+ ffn_gate ffn_up ffn_down";
pub const GPT: &str = "attn_norm+ attn_qkv+ attn_output+ ffn_norm+ ffn_up+ ffn_down+";
pub const SIDE_BY_SIDE: &str = "attn_norm attn_q attn_k attn_v attn_output ffn_gate ffn_up ffn_down";
