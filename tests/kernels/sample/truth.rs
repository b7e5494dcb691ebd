//! Sampling as a whole against probabilities worked out by sorting, on the adapter and on the mirrors.

use pollster::block_on;
use sotto::base::buffer::BufferId;
use sotto::device::gpu::{Gpu, GpuOptions};
use sotto::device::memory::Memory;
use sotto::device::recording::Recording;
use sotto::device::reference::CpuMemory;
use sotto::kernels::table::sample_take::State;
use sotto::run::sampler::{Limits, Sampler, SamplingParams, Shape};

use crate::random::Random;

/// Where sampling runs.
trait Machine: Memory {
    fn replay(&mut self, recording: &Recording, times: usize);
    fn words(&self, id: BufferId, count: usize) -> Vec<u32>;
}

impl Machine for CpuMemory {
    fn replay(&mut self, recording: &Recording, times: usize) {
        (0..times).for_each(|_| self.run(recording));
    }
    fn words(&self, id: BufferId, count: usize) -> Vec<u32> {
        self.read(id)[..count].to_vec()
    }
}

impl Machine for Gpu {
    fn replay(&mut self, recording: &Recording, times: usize) {
        let prepared = self.prepare(recording);
        (0..times).for_each(|_| self.run(&prepared));
    }
    fn words(&self, id: BufferId, count: usize) -> Vec<u32> {
        bytemuck::pod_collect_to_vec(&block_on(self.read(id, count as u64 * 4)).expect("a readback"))
    }
}

fn gpu() -> Gpu {
    block_on(Gpu::request(GpuOptions::default())).expect("an adapter")
}

const CONTEXT: u32 = 8000;
const HEAD: usize = size_of::<State>() / 4;

/// Sampling from the same logits at every step.
struct Fixed<'a> {
    machine: &'a mut dyn Machine,
    sampler: Sampler,
}

impl<'a> Fixed<'a> {
    fn new(machine: &'a mut dyn Machine, logits: &[f32], softcap: Option<f32>) -> Self {
        let n_vocab = logits.len() as u32;
        let buffer = machine.alloc("logits", n_vocab as u64 * 4).expect("a buffer");
        let batch = machine.alloc("batch", 16).expect("a buffer");
        machine.write(buffer, 0, bytemuck::cast_slice(logits));
        let shape = Shape { n_vocab, context: CONTEXT, softcap, logits: buffer, batch, shared: true };
        let sampler = Sampler::place(shape, machine).expect("buffers");
        Fixed { machine, sampler }
    }

    /// `times` tokens, each after those before it.
    fn tokens(&mut self, params: &SamplingParams, prompt: &[u32], times: usize) -> Vec<u32> {
        let mut params = params.clone();
        if !params.has_penalties() {
            // Tokens are remembered for penalties; this one is too small to change a logit.
            params.frequency_penalty = 1e-30;
        }
        let limits = Limits { limit: CONTEXT + 1, ..Default::default() };
        self.sampler.start(&params, prompt, &limits, self.machine);
        self.machine.replay(&self.sampler.record(params.mode()).expect("a recording"), times);
        let words = self.machine.words(self.sampler.state_buffer(), HEAD + prompt.len() + times);
        assert_eq!((words[1], words[3] as usize), (0, prompt.len() + times), "the status and the length");
        words[HEAD + prompt.len()..].to_vec()
    }
}

/// The logits as llama.cpp's samplers would see them after bias and penalties.
fn adjusted(params: &SamplingParams, logits: &[f32], softcap: Option<f32>, tokens: &[u32]) -> Vec<f64> {
    let window = &tokens[tokens.len().saturating_sub(params.repeat_last_n as usize)..];
    let values = logits.iter().enumerate().map(|(id, &logit)| {
        let mut v = softcap.map_or(logit as f64, |cap| cap as f64 * (logit as f64 / cap as f64).tanh());
        v += params.logit_bias.iter().filter(|b| b.0 as usize == id).map(|b| b.1 as f64).sum::<f64>();
        let count = window.iter().filter(|&&t| t as usize == id).count() as f64;
        if count > 0.0 {
            let penalty = params.repeat_penalty as f64;
            v = if v > 0.0 { v / penalty } else { v * penalty };
            v -= count * params.frequency_penalty as f64 + params.presence_penalty as f64;
        }
        v
    });
    values.collect()
}

/// The probability of every token, by a full sort.
fn probabilities(params: &SamplingParams, values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).filter(|&id| values[id] > f64::NEG_INFINITY).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    let best = values[order[0]];
    if params.top_k > 0 {
        order.truncate(params.top_k as usize);
    }
    if params.top_p < 1.0 {
        let weight = |id: &usize| (values[*id] - best).exp();
        let total: f64 = order.iter().map(weight).sum();
        let mut sum = 0.0;
        let last = order.iter().position(|id| {
            sum += weight(id);
            sum >= total * params.top_p as f64
        });
        order.truncate(last.map_or(order.len(), |last| last + 1));
    }
    order.retain(|&id| params.min_p == 0.0 || values[id] >= best + (params.min_p as f64).ln());
    let mut out = vec![0.0; values.len()];
    order.iter().for_each(|&id| out[id] = ((values[id] - best) / params.temperature as f64).exp());
    let total: f64 = out.iter().sum();
    out.iter_mut().for_each(|p| *p /= total);
    out
}

/// Pearson's test: tokens that are expected fewer than 5 times are one.
#[track_caller]
fn follows(tokens: &[u32], probabilities: &[f64], what: &str) {
    let mut counts = vec![0.0; probabilities.len()];
    tokens.iter().for_each(|&t| counts[t as usize] += 1.0);
    let (mut chi2, mut cells, mut rest) = (0.0, 0.0, (0.0, 0.0));
    for (id, (&count, &p)) in counts.iter().zip(probabilities).enumerate() {
        assert!(count == 0.0 || p > 0.0, "{what}: token {id} was drawn {count} times, but is cut");
        let expected = p * tokens.len() as f64;
        if expected >= 5.0 {
            chi2 += (count - expected).powi(2) / expected;
            cells += 1.0;
        } else {
            rest = (rest.0 + count, rest.1 + expected);
        }
    }
    if rest.1 >= 5.0 {
        chi2 += (rest.0 - rest.1).powi(2) / rest.1;
        cells += 1.0;
    } else {
        assert!(rest.0 <= 20.0, "{what}: {} draws of tokens that are expected {:.1} times", rest.0, rest.1);
    }
    // Mean and deviation of the statistic are df and sqrt(2 df); the seeds are fixed, so this cannot flicker.
    let df = f64::max(cells - 1.0, 0.0);
    assert!(chi2 <= 1.0 + df + 5.0 * (2.0 * df).sqrt(), "{what}: chi-square {chi2:.1} with {df} degrees of freedom");
}

fn peaked(random: &mut Random, count: usize) -> Vec<f32> {
    (0..count).map(|_| 3.0 * (random.unit() + random.unit() + random.unit())).collect()
}

fn with(change: impl FnOnce(&mut SamplingParams)) -> SamplingParams {
    let mut params = SamplingParams { temperature: 1.0, seed: 77, ..Default::default() };
    change(&mut params);
    params
}

#[test]
fn draws_follow_the_probabilities() {
    let mut random = Random::new(21);
    let weights = [0.4f32, 0.05, 0.25, 0.2, 0.1].map(f32::ln).to_vec();
    let steps: Vec<f32> = (0..300).map(|i| (i * 37 % 11) as f32 * 0.3).collect();
    let cases: Vec<(&str, Vec<f32>, Option<f32>, SamplingParams)> = vec![
        ("as they are", weights.clone(), None, with(|_| ())),
        ("cooler", weights.clone(), None, with(|p| p.temperature = 0.5)),
        ("hotter", weights.clone(), None, with(|p| p.temperature = 3.0)),
        ("two best", weights.clone(), None, with(|p| p.top_k = 2)),
        ("half", weights.clone(), None, with(|p| p.top_p = 0.5)),
        ("at least half as likely", weights.clone(), None, with(|p| p.min_p = 0.49)),
        ("two best, and of them 0.6", weights.clone(), None, with(|p| (p.top_k, p.top_p) = (2, 0.6))),
        ("two best, and of them 0.62", weights, None, with(|p| (p.top_k, p.top_p) = (2, 0.62))),
        ("chat", peaked(&mut random, 2000), None, SamplingParams { seed: 4, ..SamplingParams::chat() }),
        ("top-p alone", peaked(&mut random, 2000), None, with(|p| (p.top_p, p.temperature) = (0.7, 2.0))),
        ("top-k across a bin", peaked(&mut random, 3001), None, with(|p| (p.top_k, p.temperature) = (300, 4.0))),
        ("k and p", peaked(&mut random, 3001), None, with(|p| (p.top_k, p.top_p, p.temperature) = (200, 0.8, 4.0))),
        ("min-p", peaked(&mut random, 1001), None, with(|p| (p.min_p, p.temperature) = (0.02, 2.0))),
        ("ties at k", steps.clone(), None, with(|p| (p.top_k, p.temperature) = (50, 5.0))),
        ("ties at p", steps, None, with(|p| (p.top_p, p.temperature) = (0.6, 5.0))),
        ("all equal", vec![1.5; 200], None, with(|p| p.top_p = 0.25)),
        ("capped", random.floats(500, 60.0), Some(20.0), with(|p| (p.top_p, p.temperature) = (0.9, 3.0))),
        (
            "biased",
            peaked(&mut random, 50),
            None,
            with(|p| p.logit_bias = vec![(3, 4.0), (4, f32::NEG_INFINITY), (3, -1.0)]),
        ),
    ];
    let (mut gpu, mut cpu) = (gpu(), CpuMemory::default());
    for (what, logits, softcap, params) in &cases {
        let expected = probabilities(params, &adjusted(params, logits, *softcap, &[]));
        // Software adapters take a millisecond a draw: the mirrors draw often enough to see small deviations.
        let on_cpu = Fixed::new(&mut cpu, logits, *softcap).tokens(params, &[], 6000);
        follows(&on_cpu, &expected, what);
        let on_gpu = Fixed::new(&mut gpu, logits, *softcap).tokens(params, &[], 500);
        follows(&on_gpu, &expected, what);
        // The last bit of a logarithm may decide a draw, but rarely.
        let same = on_gpu.iter().zip(&on_cpu).filter(|(a, b)| a == b).count();
        assert!(same >= 495, "{what}: {same} of 500 draws agree");
    }
}

#[test]
fn seeds_are_independent_and_repeatable() {
    let logits = [0.4f32, 0.3, 0.2, 0.1].map(f32::ln);
    let mut gpu = gpu();
    let mut fixed = Fixed::new(&mut gpu, &logits, None);
    let mut run = |seed: u64, times| fixed.tokens(&with(|p| p.seed = seed), &[], times);
    // Both halves of the seed count.
    let seeds = (0..200).chain((1..200).map(|high| high << 32));
    let firsts: Vec<u32> = seeds.map(|seed| run(seed, 1)[0]).collect();
    follows(&firsts, &[0.4, 0.3, 0.2, 0.1], "the first of each seed");
    assert_eq!(run(5, 50), run(5, 50));
    assert_ne!(run(5, 50), run(6, 50));
    // Pairs of steps, as if of 16 tokens.
    let long = run(9, 2000);
    let pairs: Vec<u32> = long.chunks_exact(2).map(|pair| pair[0] * 4 + pair[1]).collect();
    let p = [0.4, 0.3, 0.2, 0.1];
    let products: Vec<f64> = (0..16).map(|i| p[i / 4] * p[i % 4]).collect();
    follows(&pairs, &products, "pairs of steps");
}

#[test]
fn penalties_look_at_the_window() {
    let mut random = Random::new(8);
    let logits = random.floats(40, 3.0);
    let prompt = [5, 5, 7, 1, 0, 39, 39, 2];
    let (mut gpu, mut cpu) = (gpu(), CpuMemory::default());
    let greedy = SamplingParams::default();
    for params in [
        SamplingParams { repeat_penalty: 1.5, repeat_last_n: 6, ..greedy.clone() },
        SamplingParams { presence_penalty: 2.0, repeat_last_n: 3, ..greedy.clone() },
        SamplingParams { frequency_penalty: 0.7, repeat_last_n: 1000, ..greedy.clone() },
        SamplingParams {
            frequency_penalty: 0.3,
            presence_penalty: -0.4,
            repeat_penalty: 1.1,
            repeat_last_n: 1,
            ..greedy
        },
    ] {
        let mut tokens = prompt.to_vec();
        for _ in 0..60 {
            let values = adjusted(&params, &logits, None, &tokens);
            let best = (0..40).rev().max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap();
            tokens.push(best as u32);
        }
        assert!(tokens[8..].iter().any(|t| *t != tokens[8]), "the penalties change something");
        assert_eq!(Fixed::new(&mut gpu, &logits, None).tokens(&params, &prompt, 60), tokens[8..], "{params:?}");
        assert_eq!(Fixed::new(&mut cpu, &logits, None).tokens(&params, &prompt, 60), tokens[8..], "{params:?}");
    }
}
