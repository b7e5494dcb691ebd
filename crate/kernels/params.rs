//! The uniform struct of each kernel, byte for byte as its shader declares it. All fields are 4 bytes wide.

use bytemuck::{Pod, Zeroable};

/// `shaders/gather/embed.wgsl`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct Embed {
    /// Plane offsets of the weight part, in u32 words; `[0]` is 0.
    pub planes: [u32; 4],
    /// Blocks of 32 in a row: n_embd / 32.
    pub k_blocks: u32,
    /// The vocabulary id of the part's first row, and how many rows it has.
    pub first_row: u32,
    pub n_rows: u32,
    pub scale: f32,
}

/// `shaders/norm/rmsnorm.wgsl`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct RmsNorm {
    /// Row length / 4.
    pub k4: u32,
    pub eps: f32,
    /// 1: read row `rows[r]` instead of row r.
    pub gather: u32,
    /// 1: add to the output instead of overwriting it.
    pub accumulate: u32,
}

/// `shaders/product/quantize.wgsl`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct Quantize {
    /// Blocks of 32 in a row.
    pub k_blocks: u32,
    pub pad: [u32; 3],
}

/// `shaders/product/matmul.wgsl`, `shaders/product/matmul_tile.wgsl` and `shaders/product/matmul_dot.wgsl`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct MatMul {
    pub planes: [u32; 4],
    /// Rows of the weight part.
    pub n: u32,
    /// Blocks of 32 in a row.
    pub k_blocks: u32,
    /// Length of an output row, and where in it this part's results go.
    pub out_stride: u32,
    pub column: u32,
    pub has_bias: u32,
    pub accumulate: u32,
    /// Rows of the batch.
    pub m: u32,
    pub pad: u32,
}

/// `shaders/product/matvec.wgsl`, `shaders/product/matvec_rows.wgsl` and `shaders/product/matvec_dot.wgsl`; and `shaders/product/matvec_post.wgsl` and
/// `shaders/product/matvec_dot_post.wgsl`, which have neither bias nor accumulate nor gather.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct MatVec {
    pub planes: [u32; 4],
    /// Rows of the weight part.
    pub n: u32,
    /// Blocks of 32 in a row.
    pub k_blocks: u32,
    /// Length of an output row, and where in it this part's results go.
    pub out_stride: u32,
    pub column: u32,
    pub has_bias: u32,
    pub accumulate: u32,
    /// 1: read row `rows[r]` of x instead of row r.
    pub gather: u32,
    /// 1: x goes through RMSNorm first, with `eps`.
    pub has_norm: u32,
    pub eps: f32,
    /// 0: none; 1: SiLU, 2: GELU (tanh) of the first half of the rows, times the second half.
    pub glu: u32,
    /// Threads that share a row, 16 or 64; `matvec_rows` does not read it.
    pub lanes: u32,
    pub pad: u32,
}

/// `shaders/attention/decode_attention.wgsl`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct DecodeAttention {
    pub n_heads: u32,
    pub n_kv_heads: u32,
    pub head_dim4: u32,
    /// Rotated pairs: rope_dim / 2.
    pub rope_half: u32,
    pub neox: u32,
    pub has_norm: u32,
    pub eps: f32,
    pub attn_scale: f32,
    /// Cells a row may look back over, itself included; 0: all.
    pub window: u32,
    /// Workgroups per KV head and split.
    pub groups: u32,
    /// softcap * tanh(score / softcap); 0: off.
    pub softcap: f32,
    /// Stretches that the cells are cut into; 1: the result is whole.
    pub splits: u32,
}

/// `shaders/attention/attention_combine.wgsl`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct AttentionCombine {
    /// head_dim / 4.
    pub dim4: u32,
    pub splits: u32,
    pub pad: [u32; 2],
}

/// `shaders/rope/rope_kv.wgsl` and `shaders/rope/rope_kv_rows.wgsl`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct RopeKv {
    pub n_heads: u32,
    pub n_kv_heads: u32,
    pub head_dim: u32,
    /// Rotated pairs: rope_dim / 2.
    pub rope_half: u32,
    pub neox: u32,
    pub has_norm: u32,
    pub eps: f32,
    pub attn_scale: f32,
    /// Rows of the batch.
    pub rows: u32,
    pub pad: [u32; 3],
}

/// `shaders/attention/attention.wgsl`, `shaders/attention/attention_tile.wgsl` and `shaders/attention/attention_rows.wgsl`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct Attention {
    pub n_heads: u32,
    pub n_kv_heads: u32,
    pub head_dim4: u32,
    /// Length of a row of qkv / 4.
    pub q_stride4: u32,
    /// Cells a row may look back over, itself included; 0: all.
    pub window: u32,
    /// Workgroups per KV head.
    pub groups: u32,
    /// softcap * tanh(score / softcap); 0: off.
    pub softcap: f32,
    /// Rows of the batch.
    pub rows: u32,
    /// 1: a row also sees the cells after it that its sequence has, as many as the batch's fourth word says in all.
    pub ahead: u32,
    pub pad: [u32; 3],
}

/// `shaders/elementwise/glu.wgsl`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct Glu {
    /// n_ff / 4.
    pub f4: u32,
    /// 0: SiLU, 1: GELU (tanh).
    pub gelu: u32,
    pub pad: [u32; 2],
}

/// `shaders/sample/*.wgsl`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct Sample {
    pub n_vocab: u32,
    /// Workgroups of the kernel before, each of which left one token.
    pub n_groups: u32,
    /// softcap * tanh(logit / softcap); 0: off.
    pub softcap: f32,
    /// Cells of the sequence.
    pub context: u32,
}

impl Sample {
    /// Distances from the best logit that are told apart.
    pub const BINS: usize = 1024;
    /// Words before the ids in the buffer of listed tokens, and before the drawn tokens in theirs.
    pub const LIST_WORDS: usize = 2;
    pub const CUT_WORDS: usize = 10;
}

/// A generation's sampling options, as they lie in a buffer: see `Options` in `shaders/shared/sample.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct SampleOptions {
    pub inv_temperature: f32,
    pub top_k: u32,
    pub top_p: f32,
    pub reach: f32,
    pub repeat_penalty: f32,
    pub inv_repeat_penalty: f32,
    pub presence_penalty: f32,
    pub frequency_penalty: f32,
    pub last_n: u32,
    pub adjusts: u32,
    pub seed: [u32; 2],
    pub limit: u32,
    pub pad: [u32; 3],
}

/// The head of a generation's state: see `State` in `shaders/shared/sample.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct SampleState {
    pub token: u32,
    pub status: u32,
    pub step: u32,
    pub n: u32,
    pub done: u32,
    pub first_cell: u32,
    pub pad: [u32; 2],
}

/// What [`SampleState::status`] says: all but `GOING` end the generation.
impl SampleState {
    pub const GOING: u32 = 0;
    /// The token is one of those that end it.
    pub const STOPPED: u32 = 1;
    /// As many tokens as the limit says.
    pub const FULL: u32 = 2;
    /// A logit is not a number.
    pub const BAD_LOGITS: u32 = 3;
    pub const ALL_BANNED: u32 = 4;
}
