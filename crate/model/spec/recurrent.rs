//! What moves information between tokens by a state of the sequence, instead of by its keys and values.

use super::{Attention, Mix};
use crate::model::filled::Filled;

/// A short convolution between two gates (LFM2, Liquid AI 2025): W_out (c · conv(b · x)), of b, c and x = W_in of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Positions that a result is made of, its own included; at least 2.
    pub taps: u32,
}

/// A state space whose channels each decay by numbers of their own (Mamba, Gu & Dao 2023): z and x of the stream; x through a
/// short convolution and SiLU; what that gives through W_x makes t, b and c, which may be normed, and W_t t the steps; of each
/// channel s = exp(dt a) s + dt x b, y = s c + d x; W_out (y · silu(z)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mamba {
    /// Channels: numbers of x, as many as of z.
    pub inner: u32,
    /// Numbers of b, of c, and of a channel's state; a multiple of 4.
    pub state: u32,
    /// Numbers that steps are made of.
    pub rank: u32,
    /// Positions that the convolution looks at, its own included; at least 2.
    pub taps: u32,
    /// The epsilon of the RMS norms of t, b and c, if there are any.
    pub norm: Option<f32>,
    /// They have weights.
    pub norm_weights: bool,
}

impl Mamba {
    /// Numbers of t, b and c.
    pub fn parts(&self) -> u32 {
        self.rank + 2 * self.state
    }

    /// Numbers of its state of a sequence that are what the convolution looks back at; behind them are those of the channels.
    pub fn held(&self) -> u32 {
        (self.taps - 1) * Filled::up(self.inner).room
    }

    /// All numbers of its state.
    pub fn kept(&self) -> u32 {
        self.held() + Filled::up(self.inner).room * self.state
    }
}

impl From<Mamba> for Mix {
    fn from(mamba: Mamba) -> Self {
        Mix::Mamba(mamba)
    }
}

/// How many numbers heads with a state have of a row, and of a sequence.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Of what goes into states, of all heads.
    pub inner: u32,
    /// That go through the convolution: those, and two vectors that heads share.
    pub convolved: u32,
    /// Of a state, what the convolution looks back at; behind them are those of the heads.
    pub held: u32,
    /// All of a state.
    pub kept: u32,
}

impl Counts {
    /// Of heads of so many numbers each, each of which has a row of `each` in a state; `shared` of either vector.
    fn of([heads, head_dim]: [u32; 2], shared: u32, each: u32, taps: u32) -> Counts {
        let inner = heads * head_dim;
        let convolved = inner + 2 * shared;
        let held = (taps - 1) * convolved;
        Counts { inner, convolved, held, kept: held + inner * each }
    }
}

/// A state space whose heads decay by one number each (Mamba-2, Dao & Gu 2024): z, x, b, c and dt of the stream; x, b and c
/// through a short convolution and SiLU; of each head s = exp(dt a) s + dt x b, y = s c + d x; W_out norm(y · silu(z)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mamba2 {
    /// Heads.
    pub heads: u32,
    /// Numbers of x that a head has; a multiple of 4.
    pub head_dim: u32,
    /// Numbers of b, and of c; a multiple of 4.
    pub state: u32,
    /// Heads share b and c in so many groups, whose results are normed by themselves.
    pub groups: u32,
    /// Positions that the convolution looks at, its own included; at least 2.
    pub taps: u32,
    /// The convolution has a bias.
    pub conv_bias: bool,
    /// The epsilon of the RMS norm of the results, if there is one.
    pub norm: Option<f32>,
}

impl Mamba2 {
    /// What it has of x, and of z; b and c are convolved too.
    pub fn counts(&self) -> Counts {
        Counts::of([self.heads, self.head_dim], self.groups * self.state, self.state, self.taps)
    }
}

impl From<Mamba2> for Mix {
    fn from(mamba: Mamba2) -> Self {
        Mix::Mamba2(mamba)
    }
}

impl From<(Attention, Mamba2)> for Mix {
    fn from((attention, mamba): (Attention, Mamba2)) -> Self {
        Mix::Both(attention, mamba)
    }
}

impl From<Conv> for Mix {
    fn from(conv: Conv) -> Self {
        Mix::Conv(conv)
    }
}

/// A gated delta net (Yang, Kautz & Hatamizadeh 2024): q, k, v, z, beta and alpha of the stream; q, k and v through a short
/// convolution and SiLU, q and k of unit length; of each head s = e s + sigmoid(beta) (v - e s k) kᵀ with e = exp(a softplus(alpha +
/// bias)), y = s q; W_out (norm(y) · silu(z)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delta {
    /// Heads of values.
    pub heads: u32,
    /// Heads of queries, as of keys; they divide `heads`.
    pub keys: u32,
    /// Numbers of each head; a multiple of 4.
    pub head_dim: u32,
    /// Heads of values that share a key are beside each other, and so are their betas and their alphas, in one tensor; else
    /// they take keys in turns.
    pub grouped: bool,
    /// Positions that the convolution looks at, its own included; at least 2.
    pub taps: u32,
    /// Added to the squares of queries and keys, and to the mean square of results.
    pub eps: f32,
}

impl Delta {
    /// What it has of v, and of z; q and k are convolved too.
    pub fn counts(&self) -> Counts {
        Counts::of([self.heads, self.head_dim], self.keys * self.head_dim, self.head_dim, self.taps)
    }
}

impl From<Delta> for Mix {
    fn from(delta: Delta) -> Self {
        Mix::Delta(delta)
    }
}
