//! Whether there is room for a model, told by its header before anything of it is allocated: for [`load`](super::loader)
//! and for the [verdict](super::verdict), which so say the same.

use crate::bail;
use crate::base::error::{Code, Error, Result};
use crate::file::Catalog;
use crate::model::fit::Counter;
use crate::model::forward::{Model, Sizes};
use crate::model::spec::Net;
use crate::run::plan::{Place, Plan};
use crate::run::sampler::{Sampler, Shape};

/// Bytes that a model's buffers take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Matrices and vectors of the file.
    pub weights: u64,
    /// Keys and values of the context, and states.
    pub cache: u64,
    /// What passes and sampling compute with, and tables.
    pub activations: u64,
}

impl Needs {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.weights + self.cache + self.activations
    }

    /// Of a model that is laid out by this plan. `AdapterTooSmall` where a buffer is larger than can be bound,
    /// `OutOfMemory` where that is on the CPU.
    pub fn of(catalog: &Catalog, net: &Net, plan: &Plan, place: &Place) -> Result<Needs> {
        let mut counter = Counter::new(place.max_binding);
        let placed = Model::place(catalog, net.clone(), plan.sizes, plan.choice, &mut counter);
        let (model, _) = placed.map_err(|error| on(place, error))?;
        Sampler::place(Shape::of(&model), &mut counter).map_err(|error| on(place, error))?;
        let weights = counter.bytes_of(|id| model.weights().holds(id));
        let is_cell = |id| model.kv_buffers().iter().any(|&(keys, values)| id == keys || id == values);
        let cache = counter.bytes_of(|id| is_cell(id) || model.kv().states.buffers().any(|state| id == state));
        Ok(Needs { weights, cache, activations: counter.bytes_of(|_| true) - weights - cache })
    }
}

/// The CPU binds nothing: what is too large there is too large for one allocation.
fn on(place: &Place, error: Error) -> Error {
    match (place.caps, error.code) {
        (None, Code::AdapterTooSmall) => Error { code: Code::OutOfMemory, ..error },
        _ => error,
    }
}

/// What a model of this plan needs, with another context and cache.
fn total(catalog: &Catalog, net: &Net, plan: &Plan, place: &Place, context: u32, cells: u32) -> Result<u64> {
    let sizes = Sizes { context, cells, max_rows: plan.sizes.max_rows.min(context), ..plan.sizes };
    Ok(Needs::of(catalog, net, &Plan { sizes, ..*plan }, place)?.total())
}

/// `OutOfMemory` where the model's buffers take more than there is room for, with what would fit; else as [`Needs::of`]. `again`:
/// the file can be read again.
pub fn check(catalog: &Catalog, net: &Net, plan: &Plan, place: &Place, again: bool) -> Result<()> {
    let bytes = |context, cells| total(catalog, net, plan, place, context, cells);
    let sizes = plan.sizes;
    let whole = bytes(sizes.context, sizes.cells);
    // A cache that is too large for a buffer is so whatever room there is.
    if let Err(error) = &whole
        && sizes.cells > sizes.context
        && bytes(sizes.context, sizes.context).is_ok()
    {
        let fits = |cells| cells <= sizes.context || bytes(sizes.context, cells).is_ok();
        let fits = largest(sizes.cells, fits).unwrap_or(sizes.context);
        return Err(Error::new(
            error.code,
            format!(
                "A cache of {} tokens is larger than a buffer can be here; load the model with cacheTokens of at most {fits}.",
                sizes.cells
            ),
        ));
    }
    let Some(room) = place.room else { return Ok(()) };
    let whole = whole?;
    if whole <= room {
        return Ok(());
    }
    let (needed, least) = (bytes(sizes.context, sizes.context)?, bytes(1, 1)?);
    let has = megabytes(room);
    if needed <= room {
        let fits = |cells| cells <= sizes.context || bytes(sizes.context, cells).is_ok_and(|bytes| bytes <= room);
        let fits = largest(sizes.cells, fits).unwrap_or(sizes.context);
        bail!(
            OutOfMemory,
            "The model with a cache of {} tokens needs {} MB of memory, but there is room for {has}; load it with cacheTokens of at most {fits}.",
            sizes.cells,
            megabytes(whole)
        );
    }
    let needs = megabytes(needed);
    if least <= room {
        bail!(
            OutOfMemory,
            "The model with a context of {} tokens needs {needs} MB of memory, but there is room for {has}; load it with a contextLength of at most {}.",
            sizes.context,
            largest_context(catalog, net, plan, place, sizes.context).unwrap_or(1)
        );
    }
    if let Some(experts) = again.then(|| largest_experts(catalog, net, plan, place)).flatten() {
        bail!(
            OutOfMemory,
            "The model needs {needs} MB of memory, but there is room for {has}; load it with experts of at most {experts}, which reads the others when they are chosen, or use a device with WebGPU."
        );
    }
    let weights: u64 = catalog.tensors.iter().map(|t| t.bytes).sum();
    let most = megabytes(room.saturating_sub(least - weights.min(least)));
    bail!(
        OutOfMemory,
        "The model needs {needs} MB of memory, but there is room for {has}; use a model or quantisation of at most {most} MB, or a device with WebGPU."
    );
}

/// The most experts of each layer in memory that there is room for; `None` where even those of a token are too many.
fn largest_experts(catalog: &Catalog, net: &Net, plan: &Plan, place: &Place) -> Option<u32> {
    let fits = |experts: u32| {
        let net = net.clone().with_experts(Some(experts));
        let needs = net.and_then(|net| Needs::of(catalog, &net, plan, place));
        needs.is_ok_and(|needs| place.room.is_none_or(|room| needs.total() <= room))
    };
    let least = net.experts_used().filter(|_| net.experts_kept.is_none())?;
    (least..net.experts_count()?).rev().find(|experts| fits(*experts))
}

/// The longest context, of at most `most` tokens, that there is room for; `None` where even one token is too many.
pub fn largest_context(catalog: &Catalog, net: &Net, plan: &Plan, place: &Place, most: u32) -> Option<u32> {
    let fits = |context: u32| {
        let bytes = total(catalog, net, plan, place, context, context);
        bytes.is_ok_and(|bytes| place.room.is_none_or(|room| bytes <= room))
    };
    largest(most, fits)
}

/// The largest number that fits, of at most `most`, give or take a sixty-fourth; `None` where even 1 is too many.
fn largest(most: u32, fits: impl Fn(u32) -> bool) -> Option<u32> {
    if fits(most) {
        return Some(most);
    }
    // Of the first there is room, of the second there is none.
    let (mut fitting, mut too_long) = (fits(1).then_some(1)?, most);
    while too_long - fitting > (fitting / 64).max(1) {
        let middle = fitting + (too_long - fitting) / 2;
        if fits(middle) { fitting = middle } else { too_long = middle }
    }
    Some(fitting)
}

/// For sentences, rounded up.
pub fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}
