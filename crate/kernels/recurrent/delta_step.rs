//! What a row says to all numbers of a head of a gated delta net, as `shaders/shared/delta_step.wgsl` has it.

use super::softplus::softplus;
use crate::kernels::rows::{Lanes, Number, squares};

pub struct Step<N> {
    /// By how much the state decays.
    pub decay: N,
    /// How much of what is missing is learnt.
    pub beta: N,
    /// What keys, and queries, are multiplied by.
    pub k: N,
    pub q: N,
}

impl<N: Number> Step<N> {
    /// Of beta and alpha as they are read, what is added to alpha of this head, and a, its query and key of this row, and what is
    /// added to their squares.
    pub fn of<L: Lanes<Number = N>>([beta, alpha]: [f32; 2], [bias, a]: [N; 2], [q, k]: [&[f32]; 2], eps: f32) -> Self {
        let (one, eps, length) = (N::of(1.0), N::of(eps), N::of(k.len() as f32));
        Step {
            decay: (a * softplus(N::of(alpha) + bias)).exp(),
            beta: one / (one + within(-N::of(beta), 80.0).exp()),
            k: one / (squares::<L>(k) + eps).sqrt(),
            q: one / ((squares::<L>(q) + eps) * length).sqrt(),
        }
    }
}

/// Where a head's beta is among a row's decays, whose pieces are of `per` heads each; its alpha is as many behind.
pub fn place(head: usize, per: usize) -> usize {
    head / per * 2 * per + head % per
}

/// The sum of products.
#[inline(always)]
pub fn product<L: Lanes>(a: &[f32], b: &[f32]) -> L::Number {
    let both = a.as_chunks::<4>().0.iter().zip(b.as_chunks::<4>().0);
    both.fold(L::splat(L::Number::default()), |sum, (a, b)| sum + L::load(a) * L::load(b)).sum()
}

/// What exp has room for.
fn within<N: Number>(x: N, most: f32) -> N {
    let most = N::of(most);
    if x > most {
        most
    } else if x < -most {
        -most
    } else {
        x
    }
}
