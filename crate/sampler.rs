//! Picks the next token from the logits. The order is llama.cpp's: bias, penalties, then top-k,
//! top-p and min-p narrow the choice, then temperature and the draw.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};

use crate::bail;
use crate::error::Result;

/// How to pick. The default is greedy; [`SamplingParams::chat`] is the default of chats.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingParams {
    /// 0 takes the best token always.
    pub temperature: f32,
    /// Only the k best tokens; 0 for all.
    pub top_k: u32,
    /// Only the best tokens that reach this probability together; 1 for all.
    pub top_p: f32,
    /// Only tokens at least this likely compared with the best; 0 for all.
    pub min_p: f32,
    /// Divides (multiplies, below zero) the logits of recent tokens; 1 for none.
    pub repeat_penalty: f32,
    /// How many of the last tokens the penalties look at, the prompt's included.
    pub repeat_last_n: u32,
    /// Subtracted once from each recent token's logit.
    pub presence_penalty: f32,
    /// Subtracted from a recent token's logit for each time it occurred.
    pub frequency_penalty: f32,
    /// Added to these tokens' logits; `-inf` bans a token.
    pub logit_bias: Vec<(u32, f32)>,
    pub seed: u64,
}

impl Default for SamplingParams {
    fn default() -> Self {
        SamplingParams {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repeat_penalty: 1.0,
            repeat_last_n: 64,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: 0,
        }
    }
}

impl SamplingParams {
    /// llama.cpp's defaults for chats.
    pub fn chat() -> Self {
        SamplingParams { temperature: 0.8, top_k: 40, top_p: 0.95, min_p: 0.05, ..Self::default() }
    }

    /// Errors: `BadOption` with the option's name and range. `n_vocab` bounds the biased ids.
    pub fn validate(&self, n_vocab: usize) -> Result<()> {
        let ranges = [
            ("temperature", self.temperature, 0.0, 100.0),
            ("topP", self.top_p, 0.0, 1.0),
            ("minP", self.min_p, 0.0, 1.0),
            ("repeatPenalty", self.repeat_penalty, 0.01, 100.0),
            ("presencePenalty", self.presence_penalty, -100.0, 100.0),
            ("frequencyPenalty", self.frequency_penalty, -100.0, 100.0),
        ];
        for (name, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                bail!(BadOption, "{name} is {value}; it should be from {low} to {high}");
            }
        }
        for (id, bias) in &self.logit_bias {
            if *id as usize >= n_vocab {
                bail!(BadOption, "logitBias names token {id}, but the vocabulary has {n_vocab} tokens");
            }
            if bias.is_nan() || *bias == f32::INFINITY {
                bail!(
                    BadOption,
                    "logitBias of token {id} is {bias}; it should be a number, or -Infinity to ban the token"
                );
            }
        }
        Ok(())
    }

    /// Whether the choice is the best raw logit: no penalty, no bias, no draw.
    pub fn is_plain_greedy(&self) -> bool {
        self.temperature <= 0.0 && self.logit_bias.is_empty() && !self.has_penalties()
    }

    fn has_penalties(&self) -> bool {
        let neutral = self.repeat_penalty == 1.0 && self.presence_penalty == 0.0 && self.frequency_penalty == 0.0;
        self.repeat_last_n > 0 && !neutral
    }
}

/// A sampler for one reply. The same seed and logits give the same tokens.
#[derive(Clone, Debug)]
pub struct Sampler {
    params: SamplingParams,
    random: Pcg32,
    recent: VecDeque<u32>,
    /// How often each token is in `recent`.
    counts: HashMap<u32, u32>,
    candidates: Vec<Candidate>,
}

/// A token and its logit (after `cut`, its weight: the probability times a common factor).
#[derive(Clone, Copy, Debug)]
struct Candidate {
    id: u32,
    logit: f32,
}

/// Better first; equal logits by id, so that the order never depends on the sort.
fn by_logit(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit.total_cmp(&a.logit).then(a.id.cmp(&b.id))
}

impl Sampler {
    pub fn new(params: SamplingParams, prompt_tokens: &[u32]) -> Sampler {
        let random = Pcg32::new(params.seed, 54);
        let mut sampler =
            Sampler { params, random, recent: VecDeque::new(), counts: HashMap::new(), candidates: Vec::new() };
        let start = prompt_tokens.len().saturating_sub(sampler.params.repeat_last_n as usize);
        prompt_tokens[start..].iter().for_each(|token| sampler.accept(*token));
        sampler
    }

    /// Takes a token into the penalties' window.
    pub fn accept(&mut self, token: u32) {
        if !self.params.has_penalties() {
            return;
        }
        self.recent.push_back(token);
        *self.counts.entry(token).or_default() += 1;
        if self.recent.len() > self.params.repeat_last_n as usize {
            let old = self.recent.pop_front();
            if let Some((old, count)) = old.and_then(|old| Some((old, self.counts.get_mut(&old)?))) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&old);
                }
            }
        }
    }

    /// The next token. `logits`: one for each token of the vocabulary; bias and penalties are
    /// applied in place. Does not [`accept`](Self::accept) the token.
    ///
    /// Errors: `BadLogits` for NaN, +inf, or nothing but -inf.
    pub fn sample(&mut self, logits: &mut [f32]) -> Result<u32> {
        if let Some(id) = logits.iter().position(|logit| logit.is_nan() || *logit == f32::INFINITY) {
            let logit = logits[id];
            bail!(
                BadLogits,
                "The model's logit of token {id} is {logit}: the weights or the GPU's arithmetic are broken"
            );
        }
        if logits.iter().all(|logit| *logit == f32::NEG_INFINITY) {
            bail!(BadLogits, "The model gives no token a finite logit");
        }
        self.adjust(logits);
        if self.params.temperature <= 0.0 {
            return argmax(logits);
        }
        self.cut(logits)?;
        Ok(self.draw())
    }

    fn adjust(&self, logits: &mut [f32]) {
        for (id, bias) in &self.params.logit_bias {
            if let Some(logit) = logits.get_mut(*id as usize) {
                *logit += bias;
            }
        }
        let params = &self.params;
        for (id, count) in &self.counts {
            if let Some(logit) = logits.get_mut(*id as usize) {
                *logit = if *logit > 0.0 { *logit / params.repeat_penalty } else { *logit * params.repeat_penalty };
                *logit -= *count as f32 * params.frequency_penalty + params.presence_penalty;
            }
        }
    }

    /// Narrows the choice: leaves the candidates, best first.
    fn cut(&mut self, logits: &[f32]) -> Result<()> {
        let best = logits[argmax(logits)? as usize];
        let weight = |logit: f32| f64::from((logit - best).exp());
        let floor = if self.params.min_p > 0.0 { best + self.params.min_p.ln() } else { f32::MIN };
        let candidates = &mut self.candidates;
        let k = self.params.top_k as usize;
        if k > 0 {
            best_k(logits, k, candidates);
        } else {
            // What min-p drops is the tail of the order: it need not be sorted for top-p.
            candidates.clear();
            candidates.extend(with_ids(logits).filter(|candidate| candidate.logit >= floor));
        }
        if self.params.top_p < 1.0 {
            let total: f64 = match k {
                0 => logits.iter().map(|logit| weight(*logit)).sum(),
                _ => candidates.iter().map(|candidate| weight(candidate.logit)).sum(),
            };
            let wanted = total * f64::from(self.params.top_p);
            // A few hundred of the 100,000s usually suffice: sort more only while they do not.
            let mut sorted = 256;
            let kept = loop {
                sort_best(candidates, sorted);
                let mut sum = 0.0;
                let reached = candidates.iter().take(sorted).position(|candidate| {
                    sum += weight(candidate.logit);
                    sum >= wanted
                });
                match reached {
                    Some(last) => break last + 1,
                    None if sorted >= candidates.len() => break candidates.len(),
                    None => sorted *= 8,
                }
            };
            candidates.truncate(kept);
        }
        candidates.retain(|candidate| candidate.logit >= floor);
        candidates.sort_unstable_by(by_logit);
        Ok(())
    }

    /// Draws one of the candidates by the softmax of their logits over the temperature.
    fn draw(&mut self) -> u32 {
        let Some(best) = self.candidates.first().copied() else { return 0 };
        let weight = |candidate: &Candidate| f64::from((candidate.logit - best.logit) / self.params.temperature).exp();
        let total: f64 = self.candidates.iter().map(weight).sum();
        let mut left = self.random.unit() * total;
        for candidate in &self.candidates {
            left -= weight(candidate);
            if left < 0.0 {
                return candidate.id;
            }
        }
        best.id
    }
}

/// The first of the highest logits.
fn argmax(logits: &[f32]) -> Result<u32> {
    let mut best = (0, f32::NEG_INFINITY);
    for (id, logit) in logits.iter().enumerate() {
        if *logit > best.1 {
            best = (id, *logit);
        }
    }
    if best.1 == f32::NEG_INFINITY {
        bail!(BadOption, "logitBias bans every token that the model could choose");
    }
    Ok(best.0 as u32)
}

fn with_ids(logits: &[f32]) -> impl Iterator<Item = Candidate> + '_ {
    logits.iter().enumerate().map(|(id, logit)| Candidate { id: id as u32, logit: *logit })
}

/// The `k` best, in any order: one pass that collects what beats the worst of the best so far.
fn best_k(logits: &[f32], k: usize, best: &mut Vec<Candidate>) {
    let mut worst = f32::NEG_INFINITY;
    best.clear();
    for candidate in with_ids(logits).filter(|candidate| candidate.logit > f32::NEG_INFINITY) {
        if candidate.logit > worst {
            best.push(candidate);
            if best.len() >= k.saturating_mul(4).max(64) {
                best.select_nth_unstable_by(k - 1, by_logit);
                best.truncate(k);
                worst = best[k - 1].logit;
            }
        }
    }
    if best.len() > k {
        best.select_nth_unstable_by(k - 1, by_logit);
        best.truncate(k);
    }
}

/// Brings the `n` best to the front, best first.
fn sort_best(candidates: &mut [Candidate], n: usize) {
    if n < candidates.len() {
        candidates.select_nth_unstable_by(n, by_logit);
    }
    let n = n.min(candidates.len());
    candidates[..n].sort_unstable_by(by_logit);
}

/// PCG-XSH-RR 64/32 (M. O'Neill, pcg-random.org): small, and the same everywhere.
#[derive(Clone, Debug)]
struct Pcg32 {
    state: u64,
    increment: u64,
}

impl Pcg32 {
    fn new(seed: u64, stream: u64) -> Pcg32 {
        let mut random = Pcg32 { state: 0, increment: (stream << 1) | 1 };
        random.next();
        random.state = random.state.wrapping_add(seed);
        random.next();
        random
    }

    fn next(&mut self) -> u32 {
        let old = self.state;
        self.state = old.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(self.increment);
        let shifted = (((old >> 18) ^ old) >> 27) as u32;
        shifted.rotate_right((old >> 59) as u32)
    }

    /// From 0 up to, not including, 1.
    fn unit(&mut self) -> f64 {
        let high = u64::from(self.next()) << 32;
        ((high | u64::from(self.next())) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn first(params: SamplingParams, prompt: &[u32], logits: &[f32]) -> u32 {
        Sampler::new(params, prompt).sample(&mut logits.to_vec()).unwrap()
    }

    fn greedy() -> SamplingParams {
        SamplingParams::default()
    }

    /// The tokens drawn in `n` draws from the same logits, as counts.
    fn draws(params: SamplingParams, logits: &[f32], n: usize) -> Vec<usize> {
        let mut sampler = Sampler::new(params, &[]);
        let mut counts = vec![0; logits.len()];
        for _ in 0..n {
            counts[sampler.sample(&mut logits.to_vec()).unwrap() as usize] += 1;
        }
        counts
    }

    #[test]
    fn the_random_numbers_are_pcg32() {
        let mut random = Pcg32::new(42, 54);
        let got: Vec<u32> = (0..6).map(|_| random.next()).collect();
        // The first line of pcg32-demo, from the reference implementation.
        assert_eq!(got, [0xa15c02b7, 0x7b47f409, 0xba1d3330, 0x83d2f293, 0xbfa4784b, 0xcbed606e]);
    }

    #[test]
    fn greedy_takes_the_first_of_the_best() {
        assert_eq!(first(greedy(), &[], &[1.0, 3.0, 3.0, -2.0]), 1);
        assert_eq!(first(greedy(), &[], &[f32::NEG_INFINITY, -5.0]), 1);
    }

    #[test]
    fn each_penalty_counts() {
        let logits = [2.0, 3.0, -1.0];
        let with = |change: fn(&mut SamplingParams)| {
            let mut params = greedy();
            change(&mut params);
            let mut logits = logits.to_vec();
            Sampler::new(params, &[1, 1, 2]).sample(&mut logits).unwrap();
            logits
        };
        assert_eq!(with(|p| p.repeat_penalty = 2.0), [2.0, 1.5, -2.0]);
        assert_eq!(with(|p| p.presence_penalty = 0.5), [2.0, 2.5, -1.5]);
        assert_eq!(with(|p| p.frequency_penalty = 0.5), [2.0, 2.0, -1.5]);
        assert_eq!(with(|p| p.logit_bias = vec![(0, 4.0), (1, f32::NEG_INFINITY)]), [6.0, f32::NEG_INFINITY, -1.0]);
    }

    #[test]
    fn penalties_forget_tokens_that_leave_the_window() {
        let params = SamplingParams { repeat_last_n: 2, presence_penalty: 1.0, ..greedy() };
        let mut sampler = Sampler::new(params, &[0, 1, 1]);
        let mut logits = vec![0.0; 3];
        sampler.sample(&mut logits).unwrap();
        assert_eq!(logits, [0.0, -1.0, 0.0]);
        sampler.accept(2);
        sampler.accept(2);
        let mut logits = vec![0.0; 3];
        sampler.sample(&mut logits).unwrap();
        assert_eq!(logits, [0.0, 0.0, -1.0]);
        let none = SamplingParams { repeat_last_n: 0, presence_penalty: 1.0, ..greedy() };
        assert_eq!(first(none, &[0], &[1.0, 0.5]), 0);
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let params = SamplingParams { temperature: 1.0, seed: 7, ..greedy() };
        let weights = [0.5f32, 0.3, 0.2];
        let logits = weights.map(f32::ln);
        let counts = draws(params.clone(), &logits, 10_000);
        for (count, weight) in counts.iter().zip(weights) {
            assert!((*count as f32 / 10_000.0 - weight).abs() < 0.02, "{counts:?}");
        }
        // At half the temperature the weights are squared.
        let counts = draws(SamplingParams { temperature: 0.5, ..params }, &logits, 10_000);
        assert!((counts[0] as f32 / 10_000.0 - 0.25 / 0.38).abs() < 0.02, "{counts:?}");
    }

    #[test]
    fn each_cut_leaves_what_it_should() {
        let logits = [0.1f32, 0.5, 0.15, 0.25].map(f32::ln);
        let base = SamplingParams { temperature: 1.0, seed: 3, ..greedy() };
        let allowed = |params| draws(params, &logits, 2_000).iter().map(|count| *count > 0).collect::<Vec<_>>();
        assert_eq!(allowed(SamplingParams { top_k: 2, ..base.clone() }), [false, true, false, true]);
        assert_eq!(allowed(SamplingParams { top_k: 1, ..base.clone() }), [false, true, false, false]);
        assert_eq!(allowed(SamplingParams { top_p: 0.8, ..base.clone() }), [false, true, true, true]);
        assert_eq!(allowed(SamplingParams { top_p: 0.7, ..base.clone() }), [false, true, false, true]);
        assert_eq!(allowed(SamplingParams { top_p: 0.0, ..base.clone() }), [false, true, false, false]);
        assert_eq!(allowed(SamplingParams { min_p: 0.4, ..base.clone() }), [false, true, false, true]);
        assert_eq!(allowed(base), [true; 4]);
    }

    #[test]
    fn the_k_best_are_those_of_a_full_sort() {
        let mut random = Pcg32::new(5, 54);
        // Few distinct values: ties at the border go to the lower ids.
        let logits: Vec<f32> = (0..5_000).map(|_| (random.next() % 97) as f32).collect();
        let mut sorted: Vec<Candidate> = with_ids(&logits).collect();
        sorted.sort_by(by_logit);
        for k in [1, 2, 15, 16, 17, 40, 4_999, 5_000, 6_000] {
            let mut best = Vec::new();
            best_k(&logits, k, &mut best);
            best.sort_by(by_logit);
            let ids = |list: &[Candidate]| list.iter().map(|c| c.id).collect::<Vec<_>>();
            assert_eq!(ids(&best), ids(&sorted[..k.min(5_000)]), "k = {k}");
        }
    }

    #[test]
    fn top_p_over_a_large_flat_vocabulary() {
        let params = SamplingParams { temperature: 1.0, top_p: 0.5, seed: 1, ..greedy() };
        let mut sampler = Sampler::new(params, &[]);
        for _ in 0..20 {
            assert!(sampler.sample(&mut vec![0.0; 10_000]).unwrap() < 5_000);
        }
    }

    #[test]
    fn a_seed_fixes_the_draws() {
        let logits: Vec<f32> = (0..100).map(|i| (i % 7) as f32 * 0.1).collect();
        let run = |seed| {
            let mut sampler = Sampler::new(SamplingParams { seed, ..SamplingParams::chat() }, &[]);
            (0..20).map(|_| sampler.sample(&mut logits.clone()).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn broken_logits_are_an_error() {
        for params in [greedy(), SamplingParams::chat()] {
            for bad in [[0.0, f32::NAN], [0.0, f32::INFINITY], [f32::NEG_INFINITY; 2]] {
                let error = Sampler::new(params.clone(), &[]).sample(&mut bad.to_vec()).unwrap_err();
                assert_eq!(error.code, Code::BadLogits);
            }
            let error = Sampler::new(params, &[]).sample(&mut []).unwrap_err();
            assert_eq!(error.code, Code::BadLogits);
        }
    }

    #[test]
    fn options_out_of_range_are_named() {
        let bad = [
            (SamplingParams { temperature: -1.0, ..greedy() }, "temperature"),
            (SamplingParams { temperature: f32::NAN, ..greedy() }, "temperature"),
            (SamplingParams { top_p: 1.5, ..greedy() }, "topP"),
            (SamplingParams { min_p: -0.1, ..greedy() }, "minP"),
            (SamplingParams { repeat_penalty: 0.0, ..greedy() }, "repeatPenalty"),
            (SamplingParams { presence_penalty: f32::INFINITY, ..greedy() }, "presencePenalty"),
            (SamplingParams { frequency_penalty: -1000.0, ..greedy() }, "frequencyPenalty"),
            (SamplingParams { logit_bias: vec![(10, 0.0)], ..greedy() }, "logitBias"),
            (SamplingParams { logit_bias: vec![(1, f32::NAN)], ..greedy() }, "logitBias"),
        ];
        for (params, name) in bad {
            let error = params.validate(10).unwrap_err();
            assert_eq!(error.code, Code::BadOption);
            assert!(error.message.starts_with(name), "{}", error.message);
        }
        assert_eq!(SamplingParams::chat().validate(10), Ok(()));
    }
}
