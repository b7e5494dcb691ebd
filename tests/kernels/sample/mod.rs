//! The sampling kernels against their mirrors, one by one: each gets what the mirrors of the ones before left.

mod truth;

use bytemuck::{bytes_of, cast_slice};
use sotto::base::buffer::BufferId;
use sotto::device::memory::Memory;
use sotto::device::recording::Dispatch;
use sotto::device::reference::CpuMemory;
use sotto::kernels::face::Face;
use sotto::kernels::sample::LIST_WORDS;
use sotto::kernels::table::sample_take::{STOPPED, State};
use sotto::kernels::table::{KernelId, sample_bins, sample_gather, sample_pick, sample_scan, sample_take};
use sotto::run::sampler::{Limits, Mode, Sampler, SamplingParams, Shape};

use crate::F32;
use crate::case::{Case, Data, Runs};
use crate::random::{Random, poison};

/// A choice to make.
struct Choice {
    what: String,
    logits: Vec<f32>,
    softcap: Option<f32>,
    params: SamplingParams,
    prompt: Vec<u32>,
    stops: Vec<u32>,
    limit: u32,
    done: bool,
    /// Only these may be chosen.
    mask: Option<Vec<u32>>,
}

const CONTEXT: u32 = 100;

impl Choice {
    fn new(what: impl Into<String>, logits: Vec<f32>, params: SamplingParams) -> Self {
        let stops = vec![0, logits.len() as u32 - 1];
        let (what, limit) = (what.into(), CONTEXT + 1);
        Choice { what, logits, softcap: None, params, prompt: vec![0; 7], stops, limit, done: false, mask: None }
    }

    fn check(&self, rig: &mut impl Runs) {
        self.check_with(rig, true);
        if self.params.mode() == Mode::Draw {
            self.check_with(rig, false);
        }
    }

    /// Runs the mirrors kernel by kernel; before each, the rig runs that kernel alone on both sides.
    fn check_with(&self, rig: &mut impl Runs, shared: bool) {
        let n_vocab = self.logits.len() as u32;
        let mut memory = CpuMemory::default();
        let logits = memory.alloc("logits", n_vocab as u64 * 4).unwrap();
        let batch = memory.alloc("batch", 16).unwrap();
        let shape = Shape { n_vocab, context: CONTEXT, softcap: self.softcap, logits, batch, shared };
        let mut labelled = Labelled { memory, sizes: vec![n_vocab as usize, 4] };
        let sampler = Sampler::place(shape, &mut labelled).unwrap();
        let Labelled { mut memory, sizes } = labelled;
        memory.write(logits, 0, cast_slice(&self.logits));
        let masked = self.mask.is_some();
        let stops = self.stops.clone();
        let limits = Limits { table: 300, stops, limit: self.limit, masked, ..Default::default() };
        sampler.start(&self.params, &self.prompt, &limits, &mut memory);
        if let Some(mask) = &self.mask {
            sampler.mask(mask, &mut memory).unwrap();
        }
        if self.done {
            let n = self.prompt.len() as u32;
            let state = State { token: 3, status: STOPPED, step: 2, n, done: 1, table: 300, ..State::default() };
            memory.write(sampler.state_buffer(), 0, bytes_of(&state));
        }
        let recording = sampler.record(self.params.mode().under(masked)).unwrap();
        for dispatch in &recording.dispatches {
            rig.run(Step { what: &self.what, memory: &memory, sizes: &sizes, dispatch }.case());
            memory.dispatch(dispatch);
        }
    }
}

/// A dispatch of a choice, before it is done.
struct Step<'a> {
    what: &'a str,
    memory: &'a CpuMemory,
    /// Words of each buffer.
    sizes: &'a [usize],
    dispatch: &'a Dispatch,
}

impl Step<'_> {
    /// The case of this dispatch alone.
    fn case(&self) -> Case {
        let read = |id| Data::In(self.content(id));
        let kept = |id| Data::OutWords(self.content(id));
        let fresh = |id: BufferId| poison(self.sizes[id.0]);
        match self.dispatch.kernel().id {
            KernelId::SampleScan => self.of::<sample_scan::Variant>(|variant, b| sample_scan::Bind {
                logits: read(b.logits),
                options: read(b.options),
                adjust: read(b.adjust),
                values: if variant.adjust { Data::Out(fresh(b.values)) } else { Data::OutWords(fresh(b.values)) },
                partials: Data::OutWords(fresh(b.partials)),
                bins: Data::OutWords(fresh(b.bins)),
            }),
            KernelId::SampleTake => self.of::<sample_take::Variant>(|_, b| sample_take::Bind {
                values: read(b.values),
                partials: read(b.partials),
                options: read(b.options),
                state: kept(b.state),
                adjust: kept(b.adjust),
                batch: kept(b.batch),
            }),
            KernelId::SampleBins => self.of::<sample_bins::Variant>(|_, b| sample_bins::Bind {
                values: read(b.values),
                partials: read(b.partials),
                options: read(b.options),
                bins: kept(b.bins),
                list: Data::OutWords(poison(LIST_WORDS)),
            }),
            KernelId::SampleGather => self.of::<sample_gather::Variant>(|_, b| {
                let mut list = fresh(b.list);
                list[..LIST_WORDS].copy_from_slice(&self.content(b.list)[..LIST_WORDS]);
                sample_gather::Bind {
                    values: read(b.values),
                    options: read(b.options),
                    state: read(b.state),
                    bins: read(b.bins),
                    list: Data::OutList(list),
                    draws: Data::OutWords(fresh(b.draws)),
                }
            }),
            KernelId::SamplePick => self.of::<sample_pick::Variant>(|_, b| {
                // Workgroups list their tokens in any order.
                let mut list = self.content(b.list);
                let end = LIST_WORDS + list[0] as usize;
                list[LIST_WORDS..end].reverse();
                sample_pick::Bind {
                    values: read(b.values),
                    options: read(b.options),
                    list: Data::In(list),
                    draws: read(b.draws),
                    state: kept(b.state),
                    adjust: kept(b.adjust),
                    batch: kept(b.batch),
                }
            }),
            other => panic!("the sampler records {other:?}"),
        }
    }

    fn of<V: Face>(&self, bind: impl FnOnce(V, V::Bind<BufferId>) -> V::Bind<Data>) -> Case {
        let Dispatch { variant, params, buffers, grid } = self.dispatch;
        let variant = V::of(*variant).expect("a variant of this kernel");
        let params = bytemuck::pod_read_unaligned(&params[..size_of::<V::Params>()]);
        Case::new(variant, self.what, params, bind(variant, V::bind(buffers)), [grid[0], grid[1]], F32)
    }

    fn content(&self, id: BufferId) -> Vec<u32> {
        self.memory.read(id)[..self.sizes[id.0]].to_vec()
    }
}

/// Remembers how many words were asked for.
struct Labelled {
    memory: CpuMemory,
    sizes: Vec<usize>,
}

impl Memory for Labelled {
    fn alloc(&mut self, label: &str, bytes: u64) -> sotto::base::error::Result<BufferId> {
        self.sizes.push(bytes as usize / 4);
        self.memory.alloc(label, bytes)
    }
    fn write(&mut self, id: BufferId, offset: u64, bytes: &[u8]) {
        self.memory.write(id, offset, bytes);
    }
    fn max_binding(&self) -> u64 {
        self.memory.max_binding()
    }
}

/// Like a model's: most far below a few.
fn peaked(random: &mut Random, count: usize) -> Vec<f32> {
    (0..count).map(|_| 4.0 * (random.unit() + random.unit() + random.unit() + random.unit())).collect()
}

/// Choices of what a mask allows.
fn masked(random: &mut Random) -> Vec<Choice> {
    let greedy = SamplingParams::default();
    let draw = |seed| SamplingParams { temperature: 1.0, seed, ..SamplingParams::default() };
    let chat = |seed| SamplingParams { seed, ..SamplingParams::chat() };
    let mut choices = Vec::new();
    // Masks: of a few, of whole words, of nearly all; beside bans, penalties and a softcap.
    for count in [1usize, 33, 64, 1025, 70_001] {
        let some = |random: &mut Random, one_in: u64| {
            let mut words = vec![0u32; count.div_ceil(32)];
            (0..count).filter(|_| random.next().is_multiple_of(one_in)).for_each(|id| words[id / 32] |= 1 << (id % 32));
            words[0] |= 1;
            words
        };
        for params in [greedy.clone(), draw(7), chat(9), SamplingParams { presence_penalty: 3.0, ..greedy.clone() }] {
            let few = some(random, 97);
            let most = few.iter().map(|word| !word | 1).collect();
            let odd = (0..few.len()).map(|i| if i % 2 == 0 { u32::MAX } else { 0 }).collect();
            for (mask, softcap) in [(few, None), (most, Some(20.0)), (odd, None)] {
                let choice = Choice::new(format!("{count} tokens, masked"), peaked(random, count), params.clone());
                choices.push(Choice { mask: Some(mask), softcap, ..choice });
            }
        }
    }
    // All that the mask allows is banned; a logit that the mask hides is not a number.
    let params = SamplingParams { logit_bias: vec![(0, f32::NEG_INFINITY)], ..SamplingParams::default() };
    choices.push(Choice { mask: Some(vec![1]), ..Choice::new("masked and banned", vec![1.0, 2.0, 3.0], params) });
    for params in [greedy, draw(1)] {
        let logits = vec![1.0, f32::NAN, 3.0, 4.0, 5.0];
        choices.push(Choice { mask: Some(vec![0b100]), ..Choice::new("a masked logit is NaN", logits, params) });
    }
    choices
}

pub fn run(rig: &mut impl Runs) {
    let mut random = Random::new(11);
    let greedy = SamplingParams::default();
    let draw = |seed| SamplingParams { temperature: 1.0, seed, ..SamplingParams::default() };
    let chat = |seed| SamplingParams { seed, ..SamplingParams::chat() };
    let mut choices = Vec::new();
    for count in [1, 2, 63, 64, 65, 499, 1025, 5003, 70_001] {
        let mut logits = || peaked(&mut random, count);
        choices.push(Choice::new(format!("{count} tokens"), logits(), greedy.clone()));
        choices.push(Choice::new(format!("{count} tokens, drawn"), logits(), draw(1 << 40)));
        choices.push(Choice::new(format!("{count} tokens, chat"), logits(), chat(5)));
        for (top_k, top_p, min_p) in
            [(1, 1.0, 0.0), (40, 1.0, 0.0), (700, 0.5, 0.0), (u32::MAX, 0.9, 0.01), (0, 0.95, 0.0)]
        {
            let params = SamplingParams { top_k, top_p, min_p, seed: top_k as u64, ..draw(0) };
            choices.push(Choice::new(format!("{count} tokens, k {top_k}, p {top_p}, min {min_p}"), logits(), params));
        }
        let bias = vec![(count as u32 - 1, 2.5), (count as u32 / 2, -1.0)];
        let penalised = SamplingParams {
            repeat_penalty: 1.3,
            presence_penalty: 0.4,
            frequency_penalty: 0.2,
            repeat_last_n: 5,
            logit_bias: bias,
            ..greedy.clone()
        };
        let prompt: Vec<u32> = (0..9).map(|i| i * i % count as u32).collect();
        for params in [penalised.clone(), SamplingParams { temperature: 0.7, top_k: 50, ..penalised }] {
            choices.push(Choice {
                prompt: prompt.clone(),
                ..Choice::new(format!("{count} tokens, penalties"), logits(), params)
            });
        }
    }
    // The largest there is: more than a workgroup's share in every kernel.
    for params in [greedy.clone(), SamplingParams { top_k: 0, ..chat(6) }] {
        choices.push(Choice::new("262144 tokens", peaked(&mut random, 262_144), params));
    }
    // Ties, all of them or at the border.
    for count in [65, 3000] {
        for (top_k, top_p) in [(0, 1.0), (7, 1.0), (0, 0.5), (64, 0.5), (7, 0.0)] {
            let params = SamplingParams { top_k, top_p, ..draw(9) };
            let what = format!("{count} equal tokens, k {top_k}, p {top_p}");
            choices.push(Choice::new(what, vec![-2.5; count], params.clone()));
            let steps = (0..count).map(|i| (i * 31 % 7) as f32 * 0.25).collect();
            choices.push(Choice::new(format!("{count} tokens of 7 logits, k {top_k}, p {top_p}"), steps, params));
        }
    }
    choices.push(Choice::new("zeros of both signs", vec![-0.0, 0.0, -0.0, -1.0], greedy.clone()));
    // Far apart, and one far ahead of all.
    for size in [1e4, 1e30] {
        let logits = random.floats(2000, size);
        for params in [greedy.clone(), draw(3), SamplingParams { top_k: 100, top_p: 0.999, ..draw(4) }] {
            choices.push(Choice::new(format!("logits to {size}"), logits.clone(), params));
        }
        let cool = SamplingParams { temperature: 1e-6, ..draw(5) };
        choices.push(Choice::new(format!("logits to {size}, cool"), logits, cool));
    }
    // Bans: of some, of all.
    let ban = |ids: std::ops::Range<u32>| ids.map(|id| (id, f32::NEG_INFINITY)).collect::<Vec<_>>();
    for params in [greedy.clone(), draw(1), SamplingParams { top_k: 5, top_p: 0.9, ..draw(2) }] {
        for banned in [0..90, 1..100, 0..100] {
            let params = SamplingParams { logit_bias: ban(banned.clone()), ..params.clone() };
            choices.push(Choice::new(format!("{banned:?} of 100 banned"), peaked(&mut random, 100), params));
        }
    }
    choices.extend(masked(&mut random));
    // Logits that are not numbers.
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for params in [greedy.clone(), chat(1), SamplingParams { logit_bias: ban(3..4), ..greedy.clone() }] {
            let mut logits = peaked(&mut random, 777);
            logits[700] = bad;
            choices.push(Choice::new(format!("a logit is {bad}"), logits, params));
        }
    }
    for params in [SamplingParams { logit_bias: vec![(1, 0.5)], ..greedy }, chat(8)] {
        let logits = random.floats(600, 90.0);
        choices.push(Choice { softcap: Some(30.0), ..Choice::new("softcap", logits, params) });
    }
    // What ends a generation, and that nothing happens after it.
    for params in [greedy, chat(2)] {
        let choice = |what| Choice::new(what, vec![1.0, 9.0, 30.0, 2.0], params.clone());
        choices.push(Choice { stops: vec![2], ..choice("a stop token") });
        choices.push(Choice { limit: 8, ..choice("the last token") });
        choices.push(Choice { prompt: vec![1; CONTEXT as usize], ..choice("a full context") });
        choices.push(Choice { prompt: vec![1; CONTEXT as usize + 1], ..choice("past the context") });
        choices.push(Choice { done: true, ..choice("after the end") });
    }
    choices.iter().for_each(|choice| choice.check(rig));
}
