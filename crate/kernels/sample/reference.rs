//! Mirrors of `shaders/sample/*.wgsl`. Cuts are integers on both sides, so they agree in every bit; only the draw's
//! logarithms and the softcap's tanh may differ in their last.

use std::cmp::Reverse;

use super::{BINS, CUT_WORDS, LIST_WORDS};
use crate::kernels::cpu::Kernel;
use crate::kernels::face::OnCpu;
use crate::kernels::job::{Job, View};
use crate::kernels::table::sample_scan::Params;
use crate::kernels::table::sample_take::{self, ALL_BANNED, BAD_LOGITS, FULL, GOING, STOPPED, State};
use crate::kernels::table::{sample_bins, sample_gather, sample_pick, sample_scan};

pub use crate::kernels::table::sample_scan::{BAD, BANNED, NONE, Options};

impl OnCpu for sample_scan::Variant {
    const SIMD: Option<&'static Kernel> = Some(&super::scan::SCAN);

    fn mirror(job: &Job) {
        scan(job);
    }
}

impl OnCpu for sample_bins::Variant {
    const SIMD: Option<&'static Kernel> = Some(&super::bins::KERNEL);

    fn mirror(job: &Job) {
        bins(job);
    }
}

impl OnCpu for sample_gather::Variant {
    const SIMD: Option<&'static Kernel> = Some(&super::gather::KERNEL);

    fn mirror(job: &Job) {
        gather(job);
    }
}

// The last, serial steps of the CPU backend are the mirrors themselves.

impl OnCpu for sample_take::Variant {
    const SIMD: Option<&'static Kernel> = Some(&Kernel { pieces: |_| 1, run: |job, _, _| take(job) });

    fn mirror(job: &Job) {
        take(job);
    }
}

impl OnCpu for sample_pick::Variant {
    const SIMD: Option<&'static Kernel> = Some(&Kernel { pieces: |_| 1, run: |job, _, _| pick(job) });

    fn mirror(job: &Job) {
        pick(job);
    }
}

fn scan(job: &Job) {
    let (p, b) = (job.params::<sample_scan::Variant>(), job.bind::<sample_scan::Variant>());
    let adjusts = job.variant::<sample_scan::Variant>().adjust;
    let (logits, options, adjust): (_, Options, _) = (b.logits.all(), b.options.head(), b.adjust.all());
    let groups = job.grid[0] as usize;
    let (values, partials) = (b.values.all_mut(), b.partials.all_mut());
    if adjusts {
        b.bins.words_mut(0..3 * BINS).fill(0);
    }
    let mut best = vec![(0, NONE); groups];
    for id in 0..p.n_vocab as usize {
        let mut logit = f32::from_bits(logits[id]);
        let broken = !logit.is_finite();
        if adjusts {
            let masked = allowed(id, &p, &options, b.options.all()) & 1 == 0;
            let change = &adjust[2 * id..2 * id + 2];
            logit = match broken {
                true => 0.0,
                false if masked => BANNED,
                false => adjusted(logit, &p, &options, change),
            };
            values[id] = logit.to_bits();
        }
        let own = if broken { (u32::MAX, BAD) } else { (key_of(logit), id as u32) };
        let best = &mut best[id / 64 % groups];
        if own.0 > best.0 {
            *best = own;
        }
    }
    partials.iter_mut().zip(best).for_each(|(to, (_, id))| *to = id);
}

/// A bit a token, from this one to the end of its word of the mask: it may be chosen. `words`: the options', with what
/// follows them.
pub fn allowed(id: usize, p: &Params, options: &Options, words: &[u32]) -> u32 {
    let mask = size_of::<Options>() / 4 + p.n_vocab.div_ceil(32) as usize;
    if options.masks == 0 { u32::MAX } else { words[mask + id / 32] >> (id % 32) }
}

pub fn adjusted(logit: f32, p: &Params, options: &Options, adjust: &[u32]) -> f32 {
    let mut v = logit.clamp(-1e30, 1e30);
    if p.softcap > 0.0 {
        v = p.softcap * (v / p.softcap).tanh();
    }
    let (bias, count) = (f32::from_bits(adjust[0]), adjust[1]);
    if options.adjusts == 0 {
        return v;
    }
    if bias == f32::NEG_INFINITY {
        return BANNED;
    }
    v += bias;
    if count > 0 {
        v *= if v > 0.0 { options.inv_repeat_penalty } else { options.repeat_penalty };
        v -= count as f32 * options.frequency_penalty + options.presence_penalty;
    }
    v
}

fn take(job: &Job) {
    let (p, b) = (job.params::<sample_take::Variant>(), job.bind::<sample_take::Variant>());
    let best = best_of_partials(b.values.all_floats(), b.partials.all(), &p);
    feed(best, &p, Fed { options: b.options, state: b.state, adjust: b.adjust, batch: b.batch });
}

fn bins(job: &Job) {
    let (p, b) = (job.params::<sample_bins::Variant>(), job.bind::<sample_bins::Variant>());
    let values = b.values.all_floats();
    let options: Options = b.options.head();
    let best = best_of_partials(values, b.partials.all(), &p);
    let (bins, list) = (b.bins.all_mut(), b.list.all_mut());
    list[..LIST_WORDS].copy_from_slice(&[0, best]);
    if options.top_k == 0 && options.top_p >= 1.0 {
        return;
    }
    for (_, distance) in candidates(values, best, &p) {
        let b = bin_of(distance);
        let mass = join(bins[BINS + b], bins[2 * BINS + b]) + mass_of(distance);
        bins[b] += 1;
        [bins[BINS + b], bins[2 * BINS + b]] = split(mass);
    }
}

fn gather(job: &Job) {
    let (p, b) = (job.params::<sample_gather::Variant>(), job.bind::<sample_gather::Variant>());
    let values = b.values.all_floats();
    let (options, state): (Options, State) = (b.options.head(), b.state.head());
    let groups = job.grid[0] as usize;
    let (list, draws) = (b.list.all_mut(), b.draws.all_mut());

    let cut @ [k_bin, _, _, _, p_first, p_last, ..] = cuts(b.bins.all(), &options);
    let mut best = vec![(0, NONE); groups];
    for (id, distance) in candidates(values, list[1], &p) {
        let b = bin_of(distance) as u32;
        if b < k_bin.min(p_first) {
            if distance <= options.reach {
                let best = &mut best[id as usize / 64 % groups];
                *best = better(*best, (draw_key(id, distance, &options, &state), id));
            }
        } else if b == k_bin || (p_first..=p_last).contains(&b) {
            list[LIST_WORDS + list[0] as usize] = id;
            list[0] += 1;
        }
    }
    draws[..CUT_WORDS].copy_from_slice(&cut);
    draws[CUT_WORDS..].iter_mut().zip(best).for_each(|(to, (_, id))| *to = id);
}

/// Where top-k and top-p cut: the words before the drawn tokens.
pub fn cuts(bins: &[u32], options: &Options) -> [u32; CUT_WORDS] {
    // (count, mass) of all tokens before each bin, and of all.
    let mut before = vec![(0u32, 0u64)];
    for b in 0..BINS {
        let (count, mass) = before[b];
        before.push((count + bins[b], mass + join(bins[BINS + b], bins[2 * BINS + b])));
    }
    let total = before[BINS];
    let mut k_bin = NONE;
    if options.top_k > 0 && options.top_k < total.0 {
        k_bin = before[1..].partition_point(|sum| sum.0 < options.top_k) as u32;
    }
    let k_before = before.get(k_bin as usize).filter(|_| k_bin != NONE).copied().unwrap_or((0, 0));
    let (mut p_first, mut p_last) = (NONE, 0);
    if options.top_p < 1.0 {
        let (least, most) = if k_bin == NONE { (total, total) } else { (k_before, before[k_bin as usize + 1]) };
        // There is none where all are banned.
        let bin_with = |wanted| before[1..].iter().position(|sum| sum.1 >= wanted).map(|b| b as u32);
        p_first = bin_with(wanted_mass(least.1, options.top_p)).unwrap_or(NONE);
        p_last = bin_with(wanted_mass(most.1, options.top_p)).unwrap_or(0);
    }
    let p_before = before.get(p_first as usize).filter(|_| p_first != NONE).map_or(0, |sum| sum.1);
    let [k_low, k_high] = split(k_before.1);
    let [p_low, p_high] = split(p_before);
    let [low, high] = split(total.1);
    [k_bin, k_before.0, k_low, k_high, p_first, p_last, p_low, p_high, low, high]
}

fn pick(job: &Job) {
    let (p, b) = (job.params::<sample_pick::Variant>(), job.bind::<sample_pick::Variant>());
    let fed = Fed { options: b.options, state: b.state, adjust: b.adjust, batch: b.batch };
    let values = b.values.all_floats();
    let (options, list, draws): (Options, _, _) = (b.options.head(), b.list.all(), b.draws.all());
    let best_id = list[1];
    if best_id >= p.n_vocab {
        return feed(best_id, &p, fed);
    }
    let best = values[best_id as usize];
    let distance = |id: u32| best - values[id as usize];
    let mut sorted = list[LIST_WORDS..][..list[0] as usize].to_vec();
    sorted.sort_by_key(|&id| (Reverse(key_of(values[id as usize])), id));
    let bin = |id: u32| bin_of(distance(id)) as u32;

    let [k_bin, k_count, k_low, k_high, p_first, p_last, p_low, p_high, low, high] = draws[..CUT_WORDS] else {
        unreachable!("as many words")
    };
    let mut total = join(low, high);
    let mut kept = sorted.len();
    if k_bin != NONE {
        let within = sorted.iter().position(|&id| bin(id) == k_bin).unwrap_or(kept);
        kept = within + (options.top_k - k_count) as usize;
        total = join(k_low, k_high) + sorted[within..kept].iter().map(|&id| mass_of(distance(id))).sum::<u64>();
    }
    if p_first != NONE {
        let wanted = wanted_mass(total, options.top_p);
        let mut mass = join(p_low, p_high);
        let reached = sorted.iter().position(|&id| {
            mass += if (p_first..=p_last).contains(&bin(id)) { mass_of(distance(id)) } else { 0 };
            mass >= wanted
        });
        kept = kept.min(reached.map_or(kept, |last| last + 1));
    }
    let listed = sorted[..kept].iter().copied().filter(|&id| distance(id) <= options.reach);
    let winners = draws[CUT_WORDS..][..p.n_groups as usize].iter().copied().filter(|&id| id < p.n_vocab);
    let head: State = b.state.head();
    let keyed = listed.chain(winners).map(|id| (draw_key(id, distance(id), &options, &head), id));
    let (_, drawn) = keyed.fold((0, NONE), better);
    feed(drawn, &p, fed);
}

/// What the end of a step reads and writes.
struct Fed<'a> {
    options: View<'a>,
    state: View<'a>,
    adjust: View<'a>,
    batch: View<'a>,
}

/// The end of a step.
fn feed(id: u32, p: &Params, fed: Fed) {
    let options: Options = fed.options.head();
    let (adjust, batch) = (fed.adjust.all_mut(), fed.batch.words_mut(0..4));
    let (head, history) = fed.state.all_mut().split_at_mut(size_of::<State>() / 4);
    let head: &mut State = &mut bytemuck::cast_slice_mut(head)[0];
    let n = head.n;
    if head.done != 0 || n > p.context {
        return;
    }
    head.token = id;
    if id >= p.n_vocab {
        (head.status, head.done) = (if id == BAD { BAD_LOGITS } else { ALL_BANNED }, 1);
        return;
    }
    if options.last_n > 0 {
        adjust[2 * id as usize + 1] += 1;
        history[n as usize] = id;
        if n >= options.last_n {
            adjust[2 * history[(n - options.last_n) as usize] as usize + 1] -= 1;
        }
    }
    head.step += 1;
    head.n = n + 1;
    let stops = &fed.options.all()[size_of::<Options>() / 4..];
    head.status = match stops[id as usize / 32] >> (id % 32) & 1 {
        1 => STOPPED,
        _ if n + 1 >= options.limit => FULL,
        _ => GOING,
    };
    head.done = (head.status != GOING) as u32;
    if n < p.context {
        batch.copy_from_slice(&[id, n, head.table, 0]);
    }
}

pub fn best_of_partials(values: &[f32], partials: &[u32], p: &Params) -> u32 {
    let keyed = partials[..p.n_groups as usize].iter().map(|&id| match id {
        BAD => (u32::MAX, BAD),
        NONE => (0, NONE),
        id => (key_of(values[id as usize]), id),
    });
    keyed.fold((0, NONE), better).1
}

/// Tokens that are not banned, with their distance from the best.
fn candidates<'a>(values: &'a [f32], best: u32, p: &Params) -> impl Iterator<Item = (u32, f32)> + use<'a> {
    let best = values[best.min(p.n_vocab - 1) as usize];
    let all = (0..).zip(&values[..p.n_vocab as usize]);
    all.filter(|(_, v)| **v > BANNED).map(move |(id, v)| (id, best - v))
}

/// The larger key; of equal keys the lower id.
pub fn better(a: (u32, u32), b: (u32, u32)) -> (u32, u32) {
    if (a.0, Reverse(a.1)) > (b.0, Reverse(b.1)) { a } else { b }
}

/// Orders as the floats do; 0 for banned tokens only.
pub fn key_of(value: f32) -> u32 {
    if value <= BANNED {
        return 0;
    }
    let bits = if value == 0.0 { 0 } else { value.to_bits() };
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

pub fn bin_of(distance: f32) -> usize {
    (distance.to_bits() >> 17).clamp(7744, 7744 + BINS as u32 - 1) as usize - 7744
}

/// 2^31 e^-distance, to 1e-4 of itself.
pub fn mass_of(distance: f32) -> u64 {
    if distance >= 22.0 {
        return 0;
    }
    let q = (distance * 94548.61) as u32;
    let f = q & 0xffff;
    let t = [79, 628, 3630, 15738, 45426, 65536].into_iter().reduce(|t: u32, c| c - ((t * f) >> 16)).unwrap_or(0);
    (t << 15 >> (q >> 16)) as u64
}

fn wanted_mass(total: u64, top_p: f32) -> u64 {
    let [low, high] = split(total);
    let wanted = top_p * (high as f32 * 4294967296.0 + low as f32);
    let high = (wanted * (1.0 / 4294967296.0)) as u32;
    let low = (wanted - high as f32 * 4294967296.0) as u32;
    join(low, high).clamp(1, total.max(1))
}

pub fn join(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

pub fn split(mass: u64) -> [u32; 2] {
    [mass as u32, (mass >> 32) as u32]
}

pub fn draw_key(id: u32, distance: f32, options: &Options, state: &State) -> u32 {
    let random = (pcg4d([options.seed[0], options.seed[1], state.step, id])[0] as f32 + 0.5) * (1.0 / 4294967296.0);
    let e = if random > 0.015625 {
        -(1.0 - random).max(5.9604645e-8).ln()
    } else {
        random * (1.0 + random * (0.5 + random * (0.33333334 + random * 0.25)))
    };
    key_of(-distance.min(1e10) * options.inv_temperature - e.ln())
}

/// Jarzynski & Olano, "Hash Functions for GPU Rendering", 2020.
fn pcg4d(seed: [u32; 4]) -> [u32; 4] {
    fn mix(v: &mut [u32; 4]) {
        for [to, a, b] in [[0, 1, 3], [1, 2, 0], [2, 0, 1], [3, 1, 2]] {
            v[to] = v[to].wrapping_add(v[a].wrapping_mul(v[b]));
        }
    }
    let mut v = seed.map(|word| word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    mix(&mut v);
    v = v.map(|word| word ^ word >> 16);
    mix(&mut v);
    v
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masses_are_powers_of_e() {
        for step in 0..22_000 {
            let distance = step as f32 * 1e-3;
            let want = (1u64 << 31) as f64 * (-distance as f64).exp();
            let error = (mass_of(distance) as f64 - want).abs();
            assert!(error <= 1.0 + want * 1e-4, "e^-{distance} is off by {error} of {want}");
        }
        assert_eq!((mass_of(0.0), mass_of(22.0), mass_of(f32::MAX)), (1 << 31, 0, 0));
    }

    #[test]
    fn keys_and_bins_are_in_order() {
        let values = [-1e32f32, -5.5, -1e-30, 0.0, 1e-30, 0.5, 7e31];
        assert!(values.windows(2).all(|pair| key_of(pair[0]) < key_of(pair[1])));
        assert_eq!((key_of(-0.0), key_of(BANNED)), (key_of(0.0), 0));
        let distances: Vec<usize> = (0..4000).map(|i| bin_of(i as f32 * 0.3)).collect();
        assert!(distances.is_sorted() && bin_of(0.0) == 0 && bin_of(f32::MAX) == BINS - 1);
        assert!(bin_of(8.0) < bin_of(8.2), "fine where a model's candidates lie");
    }
}
