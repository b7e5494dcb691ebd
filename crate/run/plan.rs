//! How large a model is laid out, told by its header, the caller's options and what it is to run on.

use crate::bail;
use crate::base::error::Result;
use crate::base::precision::KvType;
use crate::device::Device;
use crate::device::memory::Memory;
use crate::file::Catalog;
use crate::kernels::choose::{Caps, Choice};
use crate::model::forward::Sizes;
use crate::model::spec::{Gives, Net};
use crate::run::loader::LoadOptions;

/// What a model is to run on, as far as its memory goes.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Of a GPU; `None` on the CPU.
    pub caps: Option<&'a Caps>,
    /// Bytes of the largest buffer.
    pub max_binding: u64,
    /// Bytes that all buffers may take together; `None` where nobody knows.
    pub room: Option<u64>,
}

impl<'a> Place<'a> {
    /// Of a device; `cpu_room` is that of the CPU's buffers.
    pub fn of(device: &'a Device, cpu_room: Option<u64>) -> Self {
        let caps = device.gpu().map(|gpu| &gpu.caps);
        Place { caps, max_binding: device.max_binding(), room: cpu_room.filter(|_| caps.is_none()) }
    }
}

/// What memory is reserved for, and the kernels that say in which form.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Positions and rows.
    pub sizes: Sizes,
    /// The kernels.
    pub choice: Choice,
}

/// Rows of the largest batch that may be asked for.
pub const MAX_ROWS: u32 = 4096;

/// Rows that may want logits in one batch: each takes n_vocab floats.
const MAX_OUTPUTS: u32 = 16;

impl Plan {
    /// `BadOption` for sizes that the model does not have.
    pub fn new(options: &LoadOptions, place: &Place, catalog: &Catalog, net: &Net) -> Result<Plan> {
        // Where tokens see those behind them, a text is one batch.
        let at_once = net.sees_ahead();
        let usual_context = default_context(place.caps.is_some());
        let context = match options.context {
            None if at_once => net.context_length.min(usual_context).min(MAX_ROWS),
            None => net.context_length.min(usual_context),
            Some(0) => bail!(BadOption, "contextLength is 0; give at least 1."),
            Some(wanted) if wanted > net.context_length && options.context_at_most => net.context_length,
            Some(wanted) if wanted > net.context_length => bail!(
                BadOption,
                "contextLength is {wanted}, but the model was trained for {}; give at most that.",
                net.context_length
            ),
            Some(wanted) if at_once && wanted > MAX_ROWS => bail!(
                BadOption,
                "contextLength is {wanted}, but this model reads a text at once, and so at most {MAX_ROWS} tokens; give at most that."
            ),
            Some(wanted) => wanted,
        };
        let embeds = net.gives != Gives::Logits;
        let cells = options.cache_tokens.unwrap_or(context);
        if cells < context {
            bail!(BadOption, "cacheTokens is {cells}, but one conversation may take {context}; give at least that.");
        }
        let usual = place.caps.map_or(CPU_ROWS, |caps| default_rows(caps, catalog));
        let rows = options.max_rows.unwrap_or(if at_once { context.max(usual) } else { usual });
        if rows == 0 || rows > MAX_ROWS {
            bail!(BadOption, "maxBatchTokens is {rows}; give a whole number from 1 to {MAX_ROWS}.");
        }
        let rows = rows.min(net.most_rows());
        let context = if at_once { context.min(rows) } else { context };
        let mut sizes = Sizes { context, cells, max_rows: rows.min(context), max_outputs: MAX_OUTPUTS.min(rows) };
        let mut kv = options.kv;
        if embeds {
            // Several texts may share a batch, any row's state may be wanted, and keys are kept for one batch only.
            sizes = Sizes { cells: cells.max(rows), max_rows: rows, max_outputs: rows, ..sizes };
            kv = KvType::F32;
        }
        if let Some(heads) =
            net.blocks.iter().filter_map(|b| b.attention()).map(|a| a.head_dim).find(|dim| dim % kv.block() != 0)
        {
            bail!(
                BadOption,
                "kvType is \"{}\", which takes {} numbers of a head together, but this model's heads are of {heads}; give \"f16\".",
                kv.name(),
                kv.block()
            );
        }
        if kv.block() > 1
            && net.blocks.iter().filter_map(|b| b.attention()).any(|a| a.latent.is_none() && a.head_dim > 256)
        {
            bail!(
                BadOption,
                "kvType is \"{}\", which takes heads of at most 256 numbers, but this model has wider ones; give \"f16\".",
                kv.name()
            );
        }
        let suits = |caps: &Caps| options.choice.unwrap_or_else(|| Choice::of(caps, kv, options.fast));
        Ok(Plan { sizes, choice: place.caps.map_or(Choice::cpu(kv), suits) })
    }
}

/// Enough for a chat, and small beside the weights; less where its memory is the program's own.
pub fn default_context(on_gpu: bool) -> u32 {
    if on_gpu { 4096 } else { 2048 }
}

/// Rows of a batch on the CPU: enough to read each weight seldom, few enough that a stop is prompt.
const CPU_ROWS: u32 = 64;

/// Weights up to which a graphics card gets large batches: 512 rows of them are about 3 · 10¹² operations.
const SMALL: u64 = 2_500_000_000;

/// Rows of a batch on a GPU. Small matrices leave a card idle where few rows share them, but a batch is a command that
/// nothing interrupts: large models, and software adapters, take less at once.
pub fn default_rows(caps: &Caps, catalog: &Catalog) -> u32 {
    let weights: u64 = catalog.tensors.iter().map(|tensor| tensor.shape.iter().product::<u64>()).sum();
    match caps.is_software {
        true => 64,
        false if weights <= SMALL => 512,
        false => 256,
    }
}
