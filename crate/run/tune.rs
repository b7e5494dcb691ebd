//! Measures the ways to a model's products on the adapter, with the model's own weights, and where its attention's stretches are
//! put together; and keeps the fastest of each.

use std::time::Duration;

use crate::base::cancel::Cancel;
use crate::base::error::Result;
use crate::base::platform::Instant;
use crate::device::gpu::{Gpu, Prepared};
use crate::device::recording::Recording;
use crate::kernels::choose::{Product, Split, Way};
use crate::kernels::face::{Face, VariantId};
use crate::kernels::table::choices::{Merge, Planes};
use crate::kernels::table::{attention_combine, decode_attention, quantize};
use crate::model::forward::{Model, Shape};

/// How long all of it may take. What is not measured by then goes by `Choice`, and is measured the next time.
pub const BUDGET: Duration = Duration::from_millis(1500);
/// What one sample should take, so that submitting and waiting count for little, and how many are taken.
const SAMPLE: Duration = Duration::from_millis(4);
const SAMPLES: usize = 3;
/// Runs of a sample at most.
const MOST_RUNS: u32 = 64;

/// Measures every product of a decoded token and of a whole chunk of a prompt that `model.tuning` does not know, and every
/// cut attention. Activations are overwritten, and the cache's first cell, which nothing is in yet. Says whether it learnt of
/// any. Fails as the device does.
pub async fn tune(gpu: &Gpu, model: &mut Model, budget: Duration) -> Result<bool> {
    let started = Instant::now();
    let mut learnt = false;
    for shape in shapes(model) {
        for product in unknown(model, shape)? {
            // None wins against a rival that was not run.
            if fastest(gpu, model, shape, product, started + budget).await?.is_none() {
                model.tuning.forget(&product);
                return Ok(learnt);
            }
            learnt = true;
        }
    }
    for (shape, split) in unknown_splits(model)? {
        if fastest_merge(gpu, model, shape, split, started + budget).await?.is_none() {
            model.tuning.set_merge(split, None);
            return Ok(learnt);
        }
        learnt = true;
    }
    Ok(learnt)
}

/// The kernels that [`tune`] will run, so that they can be compiled before.
pub fn kernels(gpu: &Gpu, model: &Model) -> Result<Vec<VariantId>> {
    let mut variants = Vec::new();
    for shape in shapes(model) {
        for product in unknown(model, shape)? {
            for way in candidates(gpu, model, &product) {
                let planes = Planes::of(way.planes()).filter(|_| !product.fused);
                variants.extend(planes.map(|planes| quantize::Variant { planes }.id()));
                variants.extend(way.variant(&product));
            }
        }
    }
    for (shape, split) in unknown_splits(model)? {
        let (recording, ranges) = model.record_splits(shape)?;
        let firsts = ranges.into_iter().filter(|(other, _)| *other == split).map(|(_, range)| range.start);
        let chosen = firsts.filter_map(|first| decode_attention::Variant::of(recording.dispatches[first].variant));
        for variant in chosen {
            variants.extend(Merge::ALL.map(|merge| decode_attention::Variant { merge, ..variant }.id()));
            variants.push(attention_combine::Variant {}.id());
        }
    }
    Ok(variants)
}

/// The cut attentions of decoded tokens of which nothing is known, each with a pass that has it.
fn unknown_splits(model: &Model) -> Result<Vec<(Shape, Split)>> {
    let mut all: Vec<(Shape, Split)> = Vec::new();
    if model.choice.merge.is_none() {
        return Ok(all);
    }
    for before in model.choice.cuts.all(model.sizes.context - 1) {
        let shape = Shape::decode(before);
        for (split, _) in model.record_splits(shape)?.1 {
            if model.tuning.merge(&split).is_none() && all.iter().all(|(_, other)| *other != split) {
                all.push((shape, split));
            }
        }
    }
    Ok(all)
}

/// Tries both and leaves the faster in `model.tuning`; `None` if the time ran out. The batch is empty, so that a stretch has
/// a cell at most: all else costs the same either way.
async fn fastest_merge(
    gpu: &Gpu,
    model: &mut Model,
    shape: Shape,
    split: Split,
    deadline: Instant,
) -> Result<Option<Merge>> {
    let mut best: Option<(Merge, Times)> = None;
    for merge in Merge::ALL {
        model.tuning.set_merge(split, Some(merge));
        let (recording, ranges) = model.record_splits(shape)?;
        let of_it = ranges.into_iter().filter(|(other, _)| *other == split).flat_map(|(_, range)| range);
        let recording = Recording { dispatches: of_it.map(|index| recording.dispatches[index].clone()).collect() };
        gpu.compiled(&recording, &Cancel::default()).await?;
        let prepared = gpu.prepare(&recording);
        let Some(took) = time(gpu, &prepared, deadline, best.map(|(_, times)| times)).await? else { return Ok(None) };
        if best.is_none_or(|(_, best)| took.least < best.least) {
            best = Some((merge, took));
        }
    }
    model.tuning.set_merge(split, best.map(|(merge, _)| merge));
    Ok(best.map(|(merge, _)| merge))
}

/// A decoded token, and a whole chunk of a prompt.
fn shapes(model: &Model) -> [Shape; 2] {
    [Shape::decode(0), Shape::new(model.sizes.max_rows, 0, true, 0)]
}

/// The ways to a product that may be taken.
fn candidates(gpu: &Gpu, model: &Model, product: &Product) -> Vec<Way> {
    // How a prompt is cut must not change what is computed of it: what is known of other chunks binds this one.
    let (usual, largest) = (model.choice.way(product), model.tuning.largest(product));
    let fits = |way: &Way| match largest {
        Some(largest) => way.sums_as(&largest),
        None => product.fused || way.planes() > 0 || way.sums_as(&usual),
    };
    let all = product.ways(model.choice.able(&gpu.caps)).filter(fits);
    all.filter(|way| !model.tuning.avoids(product, way)).collect()
}

/// The products of a shape that no way is known to, the most work first.
fn unknown(model: &Model, shape: Shape) -> Result<Vec<Product>> {
    let mut all: Vec<(Product, u64)> = Vec::new();
    for (product, _) in model.record_products(shape)?.1 {
        if model.tuning.get(&product).is_some() {
            continue;
        }
        let work = u64::from(product.n) * u64::from(product.k);
        match all.iter_mut().find(|(p, _)| *p == product) {
            Some((_, sum)) => *sum += work,
            None => all.push((product, work)),
        }
    }
    all.sort_by_key(|&(product, work)| (std::cmp::Reverse(work), product));
    Ok(all.into_iter().map(|(product, _)| product).collect())
}

/// Tries every way and leaves the fastest in `model.tuning`; `None` if the time ran out.
async fn fastest(
    gpu: &Gpu,
    model: &mut Model,
    shape: Shape,
    product: Product,
    deadline: Instant,
) -> Result<Option<Way>> {
    let mut best: Option<(Way, Times)> = None;
    let mut slow: Vec<Way> = Vec::new();
    for way in candidates(gpu, model, &product) {
        // What shares its work out likewise, and costs a compilation too, will not be twice as fast.
        if slow.iter().any(|other| other.works_as(&way)) {
            continue;
        }
        model.tuning.set(product, way);
        let (recording, products) = model.record_products(shape)?;
        // Making integers of activations counts too.
        let of_it = products.into_iter().filter(|(p, _)| *p == product).map(|(_, index)| index);
        let mut of_it: Vec<usize> = of_it.collect();
        of_it.dedup();
        let dispatches = of_it.into_iter().map(|index| recording.dispatches[index].clone()).collect();
        let recording = Recording { dispatches };
        gpu.compiled(&recording, &Cancel::default()).await?;
        let prepared = gpu.prepare(&recording);
        let Some(took) = time(gpu, &prepared, deadline, best.map(|(_, times)| times)).await? else { return Ok(None) };
        if best.is_some_and(|(_, best)| took.is_slow(&best)) {
            slow.push(way);
        }
        if best.is_none_or(|(_, best)| took.least < best.least) {
            best = Some((way, took));
        }
    }
    if let Some((way, _)) = best {
        model.tuning.set(product, way);
    }
    Ok(best.map(|(way, _)| way))
}

/// Of one run of some dispatches: in the first sample, by itself, and in the quickest.
#[derive(Clone, Copy)]
struct Times {
    first: Duration,
    least: Duration,
}

impl Times {
    /// Clearly slower than others.
    fn is_slow(&self, than: &Times) -> bool {
        self.first > 2 * than.first
    }
}

/// The times of these dispatches; `None` past the deadline. What is clearly slower than `best` is timed only once.
async fn time(gpu: &Gpu, prepared: &Prepared, deadline: Instant, best: Option<Times>) -> Result<Option<Times>> {
    // The first run compiles, and shows how many make a sample.
    gpu.run(prepared);
    gpu.idle().await?;
    let first = run(gpu, prepared, 1).await?;
    let once = Times { first, least: first };
    if best.is_some_and(|best| once.is_slow(&best)) {
        return Ok(Some(once));
    }
    let count = (SAMPLE.as_secs_f64() / first.as_secs_f64().max(1e-6)).ceil().min(f64::from(MOST_RUNS)) as u32;
    let mut least = first;
    for _ in 0..if count > 1 { SAMPLES } else { 1 } {
        if Instant::now() > deadline {
            return Ok(None);
        }
        least = least.min(run(gpu, prepared, count).await? / count);
    }
    Ok(Some(Times { first, least }))
}

async fn run(gpu: &Gpu, prepared: &Prepared, count: u32) -> Result<Duration> {
    let started = Instant::now();
    (0..count).for_each(|_| gpu.run(prepared));
    gpu.idle().await?;
    Ok(started.elapsed())
}
