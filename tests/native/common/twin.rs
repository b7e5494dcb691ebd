//! A model laid out twice, on this machine's adapter and on the CPU mirrors, from the same bytes: the pair runs a
//! batch on either side, or on both at once to name the first dispatch that differs.

use std::fmt;

use pollster::block_on;
use sotto::base::buffer::BufferId;
use sotto::base::error::Result;
use sotto::base::precision::KvType;
use sotto::device::gpu::{Gpu, GpuOptions};
use sotto::device::memory::{Memory, Move, Moves};
use sotto::device::recording::{Dispatch, Recording};
use sotto::device::reference::CpuMemory;
use sotto::file::gguf::HeaderParser;
use sotto::kernels::choose::{Choice, Cuts, ManyRows, Prefill, SingleRow};
use sotto::kernels::face::{Access, Face};
use sotto::kernels::product::integers::Integers;
use sotto::kernels::rope::blocks::{self, Q4, Q8};
use sotto::kernels::table::choices::{Kv, Lanes, Merge, Reduce, X};
use sotto::kernels::table::{quantize, rope_kv};
use sotto::model;
use sotto::model::forward::{Model, Shape, Sizes};
use sotto::model::spec::Net;
use sotto::run::batch::Batch;

/// Both memories behind one set of buffer numbers.
pub struct Both {
    pub gpu: Gpu,
    pub cpu: CpuMemory,
    /// Label and bytes of each buffer.
    pub buffers: Vec<(String, u64)>,
    /// What is told as the adapter's largest binding.
    max_binding: u64,
}

impl Memory for Both {
    fn alloc(&mut self, label: &str, bytes: u64) -> Result<BufferId> {
        let id = self.gpu.alloc(label, bytes)?;
        assert_eq!(id, self.cpu.alloc(label, bytes)?);
        self.buffers.push((label.into(), bytes.next_multiple_of(16).max(16)));
        Ok(id)
    }

    fn write(&mut self, id: BufferId, offset: u64, bytes: &[u8]) {
        self.gpu.write(id, offset, bytes);
        self.cpu.write(id, offset, bytes);
    }

    fn max_binding(&self) -> u64 {
        self.max_binding
    }
}

impl Moves for Both {
    fn move_bytes(&mut self, moves: &[Move]) {
        self.gpu.move_bytes(moves);
        self.cpu.move_bytes(moves);
    }
}

/// How a model is laid out.
#[derive(Clone, Copy)]
pub struct Layout {
    /// Each has room for 256 tokens.
    pub n_sequences: u32,
    pub choice: Choice,
    /// Weights are cut into parts that stay below this; `u64::MAX` leaves it to the adapter.
    pub max_binding: u64,
}

impl Default for Layout {
    fn default() -> Self {
        Layout { n_sequences: 1, choice: PLAIN, max_binding: u64::MAX }
    }
}

/// Kernels that every adapter runs, and the exact cache.
pub const PLAIN: Choice = Choice {
    reduce: Reduce::Tree,
    many: ManyRows::Owned(X::Direct),
    single: SingleRow::Shared,
    few: true,
    planes: None,
    post: false,
    lanes: Lanes::Tree,
    prefill: Prefill::Row,
    cuts: Cuts::CARD,
    merge: Some(Merge::Apart),
    beside: 0,
    blocks: true,
    kv: Kv::F32,
};

/// Rows of the largest batch, and rows that may want logits.
pub const ROWS: u32 = 64;

pub struct Twin {
    pub both: Both,
    pub model: Model,
    /// Splits the attention of a single row at any position.
    pub split: bool,
}

impl Twin {
    pub fn new(file: &[u8], layout: Layout) -> Self {
        Twin::changed(file, layout, |_| {})
    }

    /// As if the file described another network of its tensors.
    pub fn changed(file: &[u8], layout: Layout, change: impl FnOnce(&mut Net)) -> Self {
        let gpu = block_on(Gpu::request(GpuOptions::default())).expect("an adapter");
        let max_binding = layout.max_binding.min(gpu.caps.max_binding);
        let mut both = Both { gpu, cpu: CpuMemory::default(), buffers: Vec::new(), max_binding };
        let (header, used) = HeaderParser::new().push(file).expect("a sound header").expect("a whole header");
        let mut net = model::arch::net(&header.catalog).expect("a sound model");
        change(&mut net);
        let sizes = Sizes { context: 256, cells: 256 * layout.n_sequences, max_rows: ROWS, max_outputs: ROWS };
        let (mut model, mut upload) =
            Model::place(&header.catalog, net, sizes, layout.choice, &mut both).expect("a layout");
        upload.start_at(used as u64);
        upload.push(&file[used..], &mut both);
        upload.finish(header.catalog.file_bytes).expect("every byte");
        model.finish(&upload, &mut both);
        for _ in 0..layout.n_sequences {
            model.kv_mut().open(256, &mut both).expect("cells");
        }
        Twin { both, model, split: false }
    }

    fn record(&mut self, batch: &Batch) -> (Recording, usize) {
        let outputs = batch.outputs();
        self.both.write(
            self.model.batch_buffer(),
            0,
            bytemuck::cast_slice(&batch.words(self.model.kv()).expect("open sequences")),
        );
        if self.model.kv().states.are_there() {
            let from_to = batch.from_to(self.model.kv_mut()).expect("states to go on from");
            self.both.write(self.model.from_to_buffer(), 0, bytemuck::cast_slice(&from_to));
        }
        self.both.write(self.model.outputs_buffer(), 0, bytemuck::cast_slice(&outputs));
        let last = batch.rows.iter().map(|row| row.position).max().unwrap_or(0);
        let shape = Shape::new(batch.rows.len() as u32, outputs.len() as u32, batch.prefill, last);
        let recording = self.model.record(Shape {
            before: if self.split && batch.rows.len() == 1 { u32::MAX } else { shape.before },
            ..shape
        });
        (recording.expect("a recording"), outputs.len() * self.model.net.n_vocab as usize)
    }

    /// The logits by the adapter: [rows that want logits][n_vocab].
    pub fn forward(&mut self, batch: &Batch) -> Vec<f32> {
        let (recording, n) = self.record(batch);
        self.both.gpu.run(&self.both.gpu.prepare(&recording));
        let bytes = block_on(self.both.gpu.read(self.model.logits_buffer(), n as u64 * 4)).expect("logits");
        self.capped(bytemuck::pod_collect_to_vec(&bytes))
    }

    /// The logits by the mirrors.
    pub fn mirrored(&mut self, batch: &Batch) -> Vec<f32> {
        let (recording, n) = self.record(batch);
        self.both.cpu.run(&recording);
        self.capped(bytemuck::cast_slice(&self.both.cpu.read(self.model.logits_buffer())[..n]).to_vec())
    }

    fn capped(&self, mut logits: Vec<f32>) -> Vec<f32> {
        if let Some(cap) = self.model.net.final_logit_softcap {
            logits.iter_mut().for_each(|l| *l = cap * (*l / cap).tanh());
        }
        logits
    }

    /// Runs the batch dispatch by dispatch on both sides, each from the adapter's results of the ones before.
    pub fn first_difference(&mut self, batch: &Batch) -> Option<Difference> {
        let (recording, _) = self.record(batch);
        // What earlier batches left differs in its last bits.
        for dispatch in &recording.dispatches {
            written(dispatch).for_each(|(_, id)| drop(self.copy_to_mirrors(id)));
        }
        recording.dispatches.iter().enumerate().find_map(|(index, d)| self.compare(index, d))
    }

    fn compare(&mut self, index: usize, dispatch: &Dispatch) -> Option<Difference> {
        let alone = Recording { dispatches: vec![dispatch.clone()] };
        self.both.gpu.run(&self.both.gpu.prepare(&alone));
        self.both.cpu.dispatch(dispatch);
        let variant = dispatch.variant.name();
        let mut worst: Option<Difference> = None;
        for (binding, id) in written(dispatch) {
            let kv = rope_kv::Variant::of(dispatch.variant).map(|variant| variant.kv);
            let cache = kv.filter(|_| binding >= 5);
            let half = cache.is_some_and(|kv| kv.kind() == KvType::F16);
            let head_dim = cache.map_or(0, |_| self.head_dim(id));
            let values = |bytes: &[u8]| match (quantize::Variant::of(dispatch.variant), cache) {
                (Some(variant), _) => integers(bytes, variant.planes.value()),
                (None, Some(kv @ (Kv::Q8 | Kv::Q4))) => heads(bytes, kv, head_dim),
                _ => values(bytes, half),
            };
            let want = values(bytemuck::cast_slice(self.both.cpu.read(id)));
            let have = values(&self.copy_to_mirrors(id));
            let label = &self.both.buffers[id.0].0;
            let scale = want.iter().fold(f32::MIN_POSITIVE, |a, &w| a.max(w.abs()));
            let ceiling = match quantize::Variant::of(dispatch.variant) {
                // A number between two integers may become either.
                Some(variant) => 1.01 / (127u32 << (7 * (variant.planes.value() - 1))) as f32,
                // Such a number weighs as much in a sum.
                None if variant.contains("planes1") => 1e-2,
                None if variant.contains("planes2") => 1e-4,
                None if half => HALF_CEILING,
                // A number between two steps may become either.
                None if cache == Some(Kv::Q8) => 1.01 / 127.0,
                None if cache == Some(Kv::Q4) => 1.01 / 8.0,
                None => CEILING,
            };
            for (element, (&want, &got)) in want.iter().zip(&have).enumerate() {
                let error = if want.to_bits() == got.to_bits() { 0.0 } else { (got - want).abs() / scale };
                // A NaN on one side only is the worst of all.
                let error = if error.is_nan() { f32::INFINITY } else { error };
                if error > ceiling && worst.as_ref().is_none_or(|w| error > w.error) {
                    worst = Some(Difference { index, variant, buffer: label.clone(), element, want, got, error });
                }
            }
        }
        worst
    }

    /// The length of the heads that a layer's keys or values are of.
    fn head_dim(&self, id: BufferId) -> usize {
        let layer = self.model.kv_buffers().iter().position(|&(keys, values)| id == keys || id == values);
        let block = &self.model.net.blocks[layer.expect("a cache")];
        block.attention().expect("a layer with keys").head_dim as usize
    }

    /// Gives the mirrors the adapter's content of a buffer, which is returned.
    fn copy_to_mirrors(&mut self, id: BufferId) -> Vec<u8> {
        let bytes = block_on(self.both.gpu.read(id, self.both.buffers[id.0].1)).expect("a readback");
        self.both.cpu.write(id, 0, &bytes);
        bytes
    }
}

/// (binding, buffer) of what a dispatch writes.
fn written(dispatch: &Dispatch) -> impl Iterator<Item = (usize, BufferId)> + '_ {
    let uses = dispatch.buffers.iter().zip(dispatch.kernel().bindings).enumerate();
    uses.filter(|(_, (_, access))| **access == Access::Write).map(|(binding, (&id, _))| (binding, id))
}

/// The largest error of an element, over the largest value in its buffer: what sums in another order make, and what
/// a neighbouring f16 makes.
const CEILING: f32 = 1e-5;
const HALF_CEILING: f32 = 1e-3;

/// The activations that records of integers stand for.
fn integers(bytes: &[u8], planes: u32) -> Vec<f32> {
    let words: Vec<u32> = bytemuck::pod_collect_to_vec(bytes);
    let records = words.chunks_exact(Integers::words(planes));
    records.flat_map(|record| Integers::read(planes, record).values().map(|v| v as f32)).collect()
}

/// The numbers of heads in blocks.
fn heads(bytes: &[u8], kv: Kv, head_dim: usize) -> Vec<f32> {
    let words: Vec<u32> = bytemuck::pod_collect_to_vec(bytes);
    let heads = words.chunks_exact(kv.words(head_dim)).map(|words| {
        let mut head = vec![0.0; head_dim];
        if kv == Kv::Q8 {
            blocks::load::<Q8>(words, &mut head);
        } else {
            blocks::load::<Q4>(words, &mut head);
        }
        head
    });
    heads.flatten().collect()
}

fn values(bytes: &[u8], half: bool) -> Vec<f32> {
    if half {
        let bits = bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        bits.map(|b| half::f16::from_bits(b).to_f32()).collect()
    } else {
        bytemuck::pod_collect_to_vec(bytes)
    }
}

/// A dispatch that wrote something else on the adapter than its mirror did, and its worst element.
#[derive(Debug)]
pub struct Difference {
    pub index: usize,
    pub variant: &'static str,
    pub buffer: String,
    pub element: usize,
    pub want: f32,
    pub got: f32,
    pub error: f32,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { index, variant, buffer, element, want, got, error } = self;
        write!(
            f,
            "dispatch {index}, {variant}, writes {got} to element {element} of '{buffer}' and its mirror {want}: \
             {error:.1e} of the buffer's largest value"
        )
    }
}
