//! What works on each token by itself: a feed-forward network, or a mixture of them.

/// What works on each token by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Feed {
    /// One network for all tokens.
    Dense(Dense),
    /// Of many networks a few for each token.
    Experts(Experts),
    /// Both side by side (Gemma 4), each behind a norm of its own, `ffn_norm` and `pre_ffw_norm_2`, with one behind its results,
    /// `post_ffw_norm_1` and `post_ffw_norm_2`. The router reads the stream through a third, `ffn_gate_inp.scale` over √n_embd.
    Beside(Dense, Experts),
    /// Nothing does.
    None,
}

/// A feed-forward network: W_down (act(W_gate x) * W_up x), or without a gate W_down act(W_up x).
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Its inner width.
    pub n_ff: u32,
    /// What the gate goes through, or the inner values where there is none.
    pub activation: Activation,
    /// Where the gate is.
    pub gate: GateIn,
    /// Gate and up have biases.
    pub bias: bool,
    /// So has down.
    pub down_bias: bool,
}

/// A mixture of experts (Shazeer et al. 2017): of each row's networks those that its router gives the most, their results
/// multiplied by what it gives them, and summed.
#[derive(Clone, Debug, PartialEq)]
pub struct Experts {
    /// Networks.
    pub count: u32,
    /// Of which each row takes so many.
    pub used: u32,
    /// What each of them is.
    pub each: Dense,
    /// What the router's products go through.
    pub scores: Scored,
    /// The router has biases.
    pub router_bias: bool,
    /// `exp_probs_b.bias` is added to the scores by which networks are chosen, not to those that they are multiplied by
    /// (DeepSeek-V3).
    pub choice_bias: bool,
    /// (groups of networks, those of them that networks are taken of): by the sum of each group's best two (DeepSeek-V3).
    pub groups: Option<(u32, u32)>,
    /// The scores of those that were chosen are divided by their sum.
    pub normed: bool,
    /// And multiplied by this.
    pub scale: f32,
    /// And each by a number of its network, `ffn_down_exps.scale`.
    pub factors: bool,
    /// One more network, for all rows.
    pub shared: Option<Shared>,
}

/// What a router's products become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scored {
    /// Their softmax.
    Softmax = 1,
    /// Their sigmoids.
    Sigmoid = 2,
    /// They are chosen as they are; then the softmax of those that were.
    SoftmaxOfChosen = 3,
}

/// The network of a mixture that all rows go through.
#[derive(Clone, Debug, PartialEq)]
pub struct Shared {
    /// What it is.
    pub dense: Dense,
    /// Its results are multiplied by sigmoid(`ffn_gate_inp_shexp` x).
    pub gated: bool,
}

/// Where a feed-forward network's gate is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateIn {
    /// There is none.
    Nowhere,
    /// A tensor of its own.
    Own,
    /// The first half of the rows of `ffn_up.weight`.
    Up,
    /// The second half of them. Of no mixture.
    BehindUp,
}

/// What the gate goes through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// x · sigmoid(x)
    Silu,
    /// GELU by its tanh formula
    GeluTanh,
    /// x/2 · (1 + erf(x/√2)) (Hendrycks & Gimpel 2016)
    GeluErf,
    /// max(x, 0)² (So et al. 2021)
    ReluSquared,
    /// g · sigmoid(slope · g) · (u + 1) of a gate g, at most `limit`, and what it gates, u, within it on either side of
    /// 0 (gpt-oss)
    Limited {
        /// 1.702
        slope: f32,
        /// 7
        limit: f32,
    },
    /// x > 0: positive · x² + beta · x, else negative · (expm1(min(x, eps)) - x) + beta · x (Huang & Schlag 2025)
    Xielu {
        /// alpha_p
        positive: f32,
        /// alpha_n
        negative: f32,
        /// beta
        beta: f32,
        /// eps
        eps: f32,
    },
}

impl Dense {
    /// With a gate of its own, and no biases.
    pub fn gated(n_ff: u32, activation: Activation) -> Self {
        Dense { n_ff, activation, gate: GateIn::Own, bias: false, down_bias: false }
    }
}

impl From<Dense> for Feed {
    fn from(dense: Dense) -> Self {
        Feed::Dense(dense)
    }
}

impl From<Experts> for Feed {
    fn from(experts: Experts) -> Self {
        Feed::Experts(experts)
    }
}
