//! A network as plain data: what an architecture's file makes of a catalog, and all that is known of a model's shape.
//!
//! Blocks need not be alike: each has its own sizes, rotation and mask.

mod behind;
mod feed;
mod in_file;
mod latent;
mod mask;
mod recurrent;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::precision::KvType;
use crate::model::filled::Filled;

pub use behind::Behind;
pub use feed::{Activation, Dense, Experts, Feed, GateIn, Scored, Shared};
pub use latent::Latent;
pub use mask::Mask;
pub use recurrent::{Conv, Counts, Delta, Mamba, Mamba2};

/// Workgroups that a dispatch may have in a dimension: choices of experts, and layers' own embeddings, of a batch.
const MOST_WORKGROUPS: u32 = 65_535;

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
    /// What the stream goes through before it is read.
    pub norm: Norm,
    /// Added to the mean square, or the variance, in every norm.
    pub norm_eps: f32,
    /// Embeddings are multiplied by this.
    pub embed_scale: f32,
    /// Rows of `position_embd.weight`, which are added to the embeddings by position.
    pub learned_positions: Option<u32>,
    /// Rows of `token_types.weight`, which are added to the embeddings by the token's type.
    pub token_types: Option<u32>,
    /// The stream begins with a norm, `token_embd_norm`.
    pub embed_norm: bool,
    /// Layers' own embeddings stay in the file, and a batch's rows of them are brought to the device before each pass.
    pub layers_in_file: bool,
    /// Of each mixture so many experts are in memory at a time, and all are in the file; `None`: all are in memory.
    pub experts_kept: Option<u32>,
    /// In their order.
    pub blocks: Vec<Block>,
    /// The norm that the last block's stream goes through: its tensors' name.
    pub output_norm: String,
    /// What it gives of a text.
    pub gives: Gives,
    /// The token embedding is the output matrix too.
    pub tied_output: bool,
    /// Logits have biases.
    pub output_bias: bool,
    /// What divides the frequencies of every rotation.
    pub rope_factors: Option<RopeFactors>,
    /// Logits are multiplied by this.
    pub logit_scale: f32,
    /// Logits become `cap * tanh(logit / cap)`.
    pub final_logit_softcap: Option<f32>,
}

/// What a network gives of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// Logits of the next token.
    Logits,
    /// The normed stream: states of tokens, from which an embedding is made, or scores.
    States {
        /// Which of them, unless the caller says otherwise.
        pooling: Pooling,
        /// What makes scores of the state that was taken, or words of others.
        head: Option<Head>,
        /// A pooled state goes through `dense_2`, which makes so many numbers of it, and `dense_3`, which makes as many as
        /// there were (sentence-transformers' Dense modules).
        widened: Option<u32>,
    },
}

/// How the states of a text's tokens become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Each token has its own, as ColBERT wants it.
    None,
    /// Their mean.
    Mean,
    /// The first token's.
    Cls,
    /// The last token's.
    Last,
}

/// What makes scores of a state, x: W_out y + b_out, where y is x, tanh(W x + b), or where there is a norm norm(gelu(W x + b)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// There is `cls.weight`, [n_embd][n_embd], and it has a bias.
    pub dense: [bool; 2],
    /// There is `cls.norm.weight`, of a layer norm, and it has a bias.
    pub norm: [bool; 2],
    /// What is scored.
    pub scores: Scores,
}

/// What a head scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scores {
    /// Labels of a text, by its pooled state and `cls.output`.
    Labels {
        /// Rows of `cls.output.weight`.
        count: u32,
        /// It has a bias.
        bias: bool,
    },
    /// The vocabulary's tokens, for the place of one that is masked, by its own state and the output matrix (Devlin et al. 2019).
    Words {
        /// There is `output.bias`.
        bias: bool,
        /// The token embedding is the output matrix.
        tied: bool,
    },
}

impl Head {
    /// Labels that it scores; `None`: it scores words.
    pub fn labels(&self) -> Option<u32> {
        match self.scores {
            Scores::Labels { count, .. } => Some(count),
            Scores::Words { .. } => None,
        }
    }
}

/// What the stream goes through before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// RMSNorm (Zhang & Sennrich 2019).
    Rms,
    /// The same with a bias.
    BiasedRms,
    /// LayerNorm (Ba, Kiros & Hinton 2016), with a weight and a bias or without.
    Layer {
        /// It has a weight.
        weight: bool,
        /// It has a bias.
        bias: bool,
    },
}

/// Tensors that divide the frequencies of rotations, one number a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeFactors {
    /// `rope_freqs.weight` of this length, whatever the context (Llama 3).
    One(u32),
    /// `rope_factors_long.weight` and `rope_factors_short.weight` of this length: the long ones where the context may be
    /// longer than `trained` (LongRoPE, Ding et al. 2024).
    Two {
        /// The length of each.
        count: u32,
        /// Positions of the first training.
        trained: u32,
    },
}

impl RopeFactors {
    /// Numbers of the file.
    pub fn count(self) -> usize {
        match self {
            RopeFactors::One(count) => count as usize,
            RopeFactors::Two { count, .. } => 2 * count as usize,
        }
    }
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
    /// The tensors of the norms through which mix and feed read the stream, or behind them where that is how they join;
    /// `None`: mix reads it as it is, and so does feed, or in parallel what mix reads.
    pub norms: [Option<&'static str>; 2],
    /// RMS norms of what mix and feed add to the stream.
    pub post_norms: bool,
    /// What comes behind both.
    pub behind: Behind,
}

/// What moves information between tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum Mix {
    /// Attention.
    Attention(Attention),
    /// A short convolution.
    Conv(Conv),
    /// A state space of channels.
    Mamba(Mamba),
    /// A state space of heads.
    Mamba2(Mamba2),
    /// A delta net.
    Delta(Delta),
    /// Attention and a state space side by side, both added to the stream.
    Both(Attention, Mamba2),
    /// Nothing does.
    None,
}

/// How a block's two parts come after each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// x += mix(norm(x)), then x += feed(norm(x)) by a norm of its own.
    Sequential,
    /// x += mix(norm(x)) + feed(norm(x)), of one norm or two (GPT-J; PaLM, Chowdhery et al. 2022).
    Parallel,
    /// x = norm(x + mix(x)), then x = norm(x + feed(x)) (Vaswani et al. 2017).
    Normed,
    /// The same, but first x = `attn_norm_2`(x + norm(x + mix(x))) (Jina Embeddings 2 of code). With layer norms only.
    NormedTwice,
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
    /// (a, n): queries are also multiplied by 1 + a · ln(1 + floor(position / n)).
    pub stretch: Option<(f32, u32)>,
    /// Which positions a token sees.
    pub mask: Mask,
    /// How queries and keys are rotated.
    pub rope: Rope,
    /// Scores become `cap * tanh(score / cap)`.
    pub softcap: Option<f32>,
    /// ALiBi (Press et al. 2022) instead of a rotation: scores fall with each position between query and key, by a slope
    /// for each head, of which the least is 2 to the power of minus this.
    pub alibi: Option<f32>,
    /// Queries, keys and values are kept within this on either side of 0, biases included.
    pub clamp: Option<f32>,
    /// Q, K and V have biases.
    pub bias: bool,
    /// The output projection has a bias.
    pub output_bias: bool,
    /// What queries and keys go through.
    pub qk_norm: QkNorm,
    /// Values go through RMS norms of each head, without weights.
    pub v_norm: bool,
    /// Values are the keys as they come, before they are normed and rotated.
    pub values_are_keys: bool,
    /// What a query head finds is multiplied by the sigmoid of a gate, whose rows are behind the query's in `attn_q`.
    pub gated: bool,
    /// That is, in `attn_gate` instead.
    pub gate_apart: bool,
    /// Each head has a sink, `attn_sinks.weight`: a score of no position, which takes a share of the weights and gives
    /// nothing.
    pub sinks: bool,
    /// It reads the keys and values of this block, which is before all that have none of their own.
    pub keys_of: Option<u32>,
    /// A cell keeps latents, of which keys and values are made: then there is one key head, and `head_dim` is what a
    /// cell keeps.
    pub latent: Option<Latent>,
}

/// Norms of queries and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkNorm {
    /// None.
    None,
    /// RMS norms of each head, before it is rotated, by a weight that all heads share.
    Heads,
    /// The same, once it is rotated.
    Rotated,
    /// RMS norms of all query heads together, and of all key heads, before they are rotated (OLMo 2).
    Whole,
    /// Layer norms without biases of each head, before it is rotated, by a weight of its own (Command R+).
    Each,
    /// Layer norms with biases of all query heads together, and of all key heads (Jina Embeddings 2 of code).
    WholeLayer,
}

/// Rotation of queries and keys (Su et al. 2021): pair i turns by `position * scale * theta^(-2i / dim)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// The first dimensions of a head, which are rotated; even. 0: none.
    pub dim: u32,
    /// Which dimensions are rotated together.
    pub pairs: Pairs,
    /// The base of the frequencies: `rope_theta`.
    pub theta: f32,
    /// 1 / the factor by which positions are stretched.
    pub scale: f32,
    /// The pairs between which stretching sets in (YaRN, Peng et al. 2023): up to the first not at all, from the second
    /// on wholly. `None`: all are stretched.
    pub ramp: Option<(f32, f32)>,
    /// Rotated dimensions are multiplied by this.
    pub amplitude: f32,
    /// The file's factors, if it has some, divide the frequencies.
    pub factors: bool,
}

/// Which dimensions are rotated together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// 2i with 2i + 1.
    Adjacent,
    /// i with i + dim/2 (GPT-NeoX).
    Halves,
}

impl Net {
    /// As if what blocks add to the stream were multiplied by `scale` first. It is the stream that is divided by it:
    /// norms see no difference once their epsilon is divided by its square. So there must be no other norms.
    pub fn with_residual_scale(self, scale: f32) -> Self {
        Net { embed_scale: self.embed_scale / scale, norm_eps: self.norm_eps / (scale * scale), ..self }
    }

    /// The stream's rows.
    pub fn stream(&self) -> Filled {
        Filled::up(self.n_embd)
    }

    /// What makes RMS norms of the stream right, which count the zeros behind it: their weights are multiplied by the root of
    /// its share of the room, and their epsilon is multiplied by the share: x √s / √(s Σx²/n + s ε).
    pub fn rms_scale(&self) -> f32 {
        self.stream().share().sqrt()
    }

    /// The epsilon of RMS norms of the stream.
    pub fn rms_eps(&self) -> f32 {
        self.norm_eps * self.stream().share()
    }

    /// Numbers that it gives of a token: logits, or its state.
    pub fn output_row(&self) -> Filled {
        match self.gives {
            Gives::Logits => Filled::whole(self.n_vocab),
            Gives::States { .. } => self.stream(),
        }
    }

    /// Rows that a batch may have at most: each of their experts is a workgroup of a dispatch.
    pub fn most_rows(&self) -> u32 {
        let used = self.experts_used();
        // The parts of its layers' own embeddings are normed one by one.
        let parts = self.layer_embedding().map(|_| self.blocks.len() as u32);
        // Each head's product is one of a dispatch.
        let latent = self.blocks.iter().filter_map(Block::attention).filter(|attention| attention.latent.is_some());
        let heads = latent.map(|attention| attention.n_heads).max();
        used.max(parts).max(heads).map_or(u32::MAX, |each| MOST_WORKGROUPS / each)
    }

    /// Whether tokens see others after them, so that a prompt cannot be cut into batches or begun anew in its middle.
    pub fn sees_ahead(&self) -> bool {
        self.blocks.iter().any(|block| block.attention().is_some_and(|attention| attention.mask.ahead(true) > 0))
    }
}

impl Block {
    /// As most are: one part after the other, without norms behind them.
    pub fn sequential(mix: impl Into<Mix>, feed: impl Into<Feed>) -> Self {
        Block {
            mix: mix.into(),
            feed: feed.into(),
            join: Join::Sequential,
            norms: [Some("attn_norm"), Some("ffn_norm")],
            post_norms: false,
            behind: Behind::default(),
        }
    }

    /// One part, behind `attn_norm`.
    pub fn one(mix: impl Into<Mix>, feed: impl Into<Feed>) -> Self {
        let (mix, feed) = (mix.into(), feed.into());
        let norms = if mix == Mix::None { [None, Some("attn_norm")] } else { [Some("attn_norm"), None] };
        Block { norms, ..Block::sequential(mix, feed) }
    }

    /// Both parts side by side, of one norm.
    pub fn parallel(attention: Attention, dense: Dense) -> Self {
        let norms = [Some("attn_norm"), None];
        Block { join: Join::Parallel, norms, ..Block::sequential(attention, dense) }
    }

    /// Both parts behind each other, with these norms behind them.
    pub fn normed(attention: Attention, dense: Dense, norms: [Option<&'static str>; 2]) -> Self {
        Block { join: Join::Normed, norms, ..Block::sequential(attention, dense) }
    }

    /// Its attention, if it has one.
    pub fn attention(&self) -> Option<&Attention> {
        match &self.mix {
            Mix::Attention(attention) | Mix::Both(attention, _) => Some(attention),
            Mix::Conv(_) | Mix::Mamba(_) | Mix::Mamba2(_) | Mix::Delta(_) | Mix::None => None,
        }
    }

    /// Numbers of the state that it has of a sequence.
    pub fn state(&self, net: &Net) -> u32 {
        match &self.mix {
            Mix::Attention(_) | Mix::None => 0,
            Mix::Conv(conv) => (conv.taps - 1) * net.stream().room,
            Mix::Mamba(mamba) => mamba.kept(),
            Mix::Mamba2(mamba) | Mix::Both(_, mamba) => mamba.counts().kept,
            Mix::Delta(delta) => delta.counts().kept,
        }
    }

    /// Its feed-forward network, or what each of its experts is, if it has one.
    pub fn dense(&self) -> Option<&Dense> {
        match &self.feed {
            Feed::Dense(dense) | Feed::Beside(dense, _) => Some(dense),
            Feed::Experts(experts) => Some(&experts.each),
            Feed::None => None,
        }
    }

    /// Its mixture of experts, if it has one.
    pub fn experts(&self) -> Option<&Experts> {
        match &self.feed {
            Feed::Experts(experts) | Feed::Beside(_, experts) => Some(experts),
            Feed::Dense(_) | Feed::None => None,
        }
    }
}

impl From<Attention> for Mix {
    fn from(attention: Attention) -> Self {
        Mix::Attention(attention)
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

    /// Its scores are computed by `attention_wide`: the others have no room for its heads, or know no sinks.
    pub fn is_wide(&self) -> bool {
        self.sinks || self.latent.is_some() || self.head_dim > 256
    }

    /// Whether one row's keys, values and attention can be one dispatch.
    pub fn fits_one(&self) -> bool {
        self.keys_of.is_none() && !self.v_norm && !self.values_are_keys && !self.is_wide()
    }

    /// Bytes of a token's keys, and of its values, in a cache of this type: none, where the keys are another layer's,
    /// or values are the beginnings of keys.
    pub fn cell_bytes(&self, kind: KvType) -> [u64; 2] {
        let each = u64::from(self.n_kv_heads) * kind.head_bytes(self.head_dim);
        match (self.keys_of, self.latent) {
            (Some(_), _) => [0; 2],
            (None, Some(_)) => [each, 0],
            (None, None) => [each; 2],
        }
    }
}

impl Rope {
    /// None at all.
    pub const NONE: Rope =
        Rope { dim: 0, pairs: Pairs::Halves, theta: 1.0, scale: 1.0, ramp: None, amplitude: 1.0, factors: false };

    /// Not stretched, at another base.
    pub fn unscaled(self, theta: f32) -> Self {
        Rope { theta, scale: 1.0, ramp: None, amplitude: 1.0, ..self }
    }
}
