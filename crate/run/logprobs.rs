//! How likely a token was, and which were likelier: by the model's own logits, before bias, penalties, temperature, masks
//! and cuts. A token that was forced is certain.

/// Of one place of a reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Logprobs {
    /// Its id.
    pub token: u32,
    /// The natural logarithm of its probability.
    pub logprob: f64,
    /// The likeliest tokens, the best first; of equals the lower id.
    pub top: Vec<(u32, f64)>,
}

impl Logprobs {
    /// Of a token that had to come: nothing was computed of it, and it is the only one that could be told of.
    pub fn certain(token: u32, n: usize) -> Logprobs {
        Logprobs { token, logprob: 0.0, top: if n > 0 { vec![(token, 0.0)] } else { Vec::new() } }
    }
}

/// Of a token, by the logits it was chosen by, and the best `n`.
pub fn of(logits: &[f32], token: u32, n: usize) -> Logprobs {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
    let total = f64::from(largest) + sum.ln();
    let logprob = |id: u32| f64::from(logits[id as usize]) - total;
    // Few are wanted: each finds its place among the best so far.
    let mut best: Vec<u32> = Vec::with_capacity(n + 1);
    for (id, &logit) in (0..).zip(logits) {
        let place = best.iter().rposition(|&other| logits[other as usize] >= logit).map_or(0, |worse| worse + 1);
        if place < n {
            best.insert(place, id);
            best.truncate(n);
        }
    }
    Logprobs { token, logprob: logprob(token), top: best.into_iter().map(|id| (id, logprob(id))).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_add_up_to_one() {
        let logits = [1.0, 3.0, -2.0, 3.0, 0.5];
        let all = of(&logits, 2, 9);
        assert_eq!(all.top.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 3, 0, 4, 2]);
        assert!((all.top.iter().map(|(_, p)| p.exp()).sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(all.logprob, all.top[4].1);
        assert_eq!(of(&logits, 0, 2).top, all.top[..2]);
        assert!(of(&logits, 0, 0).top.is_empty());
    }
}
