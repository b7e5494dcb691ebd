//! A network as plain data: what an architecture's file makes of a catalog, and all that is known of a model's shape.
//!
//! Blocks need not be alike: each has its own sizes, rotation and mask.

/// A whole network: embedding, blocks, the last norm, the output matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Net {
    /// The file's `general.architecture`.
    pub arch: &'static str,
    /// Width of the residual stream.
    pub n_embd: u32,
    /// Tokens of the vocabulary.
    pub n_vocab: u32,
    /// Positions that the model was trained for.
    pub context_length: u32,
    /// Added to the mean square in every RMS norm.
    pub norm_eps: f32,
    /// Embeddings are multiplied by this.
    pub embed_scale: f32,
    /// In their order.
    pub blocks: Vec<Block>,
    /// The token embedding is the output matrix too.
    pub tied_output: bool,
    /// Length of the tensor `rope_freqs.weight`, which divides the frequencies of every rotation.
    pub rope_factors: Option<u32>,
    /// Logits become `cap * tanh(logit / cap)`.
    pub final_logit_softcap: Option<f32>,
}

/// What is added to the stream: `mix` moves information between tokens, `feed` works on each by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// What moves information between tokens.
    pub mix: Mix,
    /// What works on each token by itself.
    pub feed: Feed,
    /// How the two come after each other.
    pub join: Join,
    /// RMS norms of what mix and feed add to the stream.
    pub post_norms: bool,
}

/// What moves information between tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum Mix {
    /// Attention.
    Attention(Attention),
}

/// What works on each token by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Feed {
    /// One network for all tokens.
    Dense(Dense),
}

/// How a block's two parts come after each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// x += mix(norm(x)), then x += feed(norm(x)) by a norm of its own.
    Sequential,
    /// x += mix(norm(x)) + feed(norm(x)), of one norm (GPT-J; PaLM, Chowdhery et al. 2022).
    Parallel,
}

/// Attention whose query heads share KV heads in groups (Ainslie et al. 2023).
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// Query heads.
    pub n_heads: u32,
    /// Divides `n_heads`.
    pub n_kv_heads: u32,
    /// Of queries, keys and values; a multiple of 4.
    pub head_dim: u32,
    /// Products of queries and keys are multiplied by this.
    pub scale: f32,
    /// Which positions a token sees.
    pub mask: Mask,
    /// How queries and keys are rotated.
    pub rope: Rope,
    /// Scores become `cap * tanh(score / cap)`.
    pub softcap: Option<f32>,
    /// Q, K and V have biases.
    pub bias: bool,
    /// RMS norm of each query and key head, before it is rotated.
    pub qk_norm: bool,
}

/// Which positions a token sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Itself and all before it.
    Causal,
    /// Itself and so many before it that they are this many, at least 1.
    Window(u32),
    /// A prompt's tokens see all of the prompt, and what is decoded after it all before it (prefix LM, Raffel et al.
    /// 2020). The prompt has to be one batch.
    Prefix,
    /// Every token sees every other of its sequence, which has to be one batch: an encoder's.
    Full,
}

/// Rotation of queries and keys (Su et al. 2021): pair i turns by `position * scale * theta^(-2i / dim)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// The first dimensions of a head, which are rotated; even.
    pub dim: u32,
    /// Which dimensions are rotated together.
    pub pairs: Pairs,
    /// The base of the frequencies: `rope_theta`.
    pub theta: f32,
    /// 1 / the factor by which positions are stretched.
    pub scale: f32,
}

/// Which dimensions are rotated together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// 2i with 2i + 1.
    Adjacent,
    /// i with i + dim/2 (GPT-NeoX).
    Halves,
}

/// A gated feed-forward network: W_down (act(W_gate x) * W_up x).
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Its inner width.
    pub n_ff: u32,
    /// What the gate goes through.
    pub activation: Activation,
}

/// What the gate goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x · sigmoid(x)
    Silu,
    /// GELU by its tanh formula
    GeluTanh,
}

impl Net {
    /// Whether tokens see others after them, so that a prompt cannot be cut into batches or begun anew in its middle.
    pub fn sees_ahead(&self) -> bool {
        self.blocks.iter().any(|block| matches!(block.attention().mask, Mask::Prefix | Mask::Full))
    }
}

impl Block {
    /// As most are: one part after the other, without norms behind them.
    pub fn sequential(attention: Attention, dense: Dense) -> Self {
        Block { mix: Mix::Attention(attention), feed: Feed::Dense(dense), join: Join::Sequential, post_norms: false }
    }

    /// Its attention.
    pub fn attention(&self) -> &Attention {
        let Mix::Attention(attention) = &self.mix;
        attention
    }

    /// Its feed-forward network.
    pub fn dense(&self) -> &Dense {
        let Feed::Dense(dense) = &self.feed;
        dense
    }
}

impl Attention {
    /// Length of all query heads of a token.
    pub fn q_dim(&self) -> u32 {
        self.n_heads * self.head_dim
    }

    /// Length of all key (or value) heads of a token.
    pub fn kv_dim(&self) -> u32 {
        self.n_kv_heads * self.head_dim
    }
}

impl Mask {
    /// How many cells a row may look back over, itself included; `None`: all.
    pub fn window(self) -> Option<u32> {
        match self {
            Mask::Window(window) => Some(window),
            Mask::Causal | Mask::Prefix | Mask::Full => None,
        }
    }

    /// Whether rows of a batch see those after them: of a prompt, or of others.
    pub fn sees_ahead(self, prefill: bool) -> bool {
        match self {
            Mask::Causal | Mask::Window(_) => false,
            Mask::Prefix => prefill,
            Mask::Full => true,
        }
    }
}
