//! From a catalog's tensors to buffers. A tensor is declared once, where its block is built: that names it, checks it,
//! says where its bytes go as they stream in, and claims it. What nobody claims is refused.

mod experts;
mod in_turns;
mod inside;
mod kept;
mod stacked;

use std::collections::{HashMap, HashSet};

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::memory::Memory;
use crate::file::{Catalog, Tensor, quoted};
use crate::model::filled::Filled;
use crate::quant::{self, TensorType};

pub use inside::Inside;
pub use kept::{Kept, Share};

use stacked::{Stacked, WHOLE, common};

/// Whole rows of one tensor type in one buffer.
#[derive(Clone, Debug)]
pub struct Part {
    /// Where it is.
    pub buffer: BufferId,
    /// How its weights are stored: one of [`TensorType::FORMATS`].
    pub kind: TensorType,
    /// The matrix's row that is its first.
    pub first_row: u32,
    /// Its rows.
    pub n_rows: u32,
    /// Where each plane starts, in u32 words.
    pub planes: [u32; 4],
    /// Which of the scales of whole tensors its weights are to be multiplied by.
    pub scale: Option<usize>,
}

/// An [n][k] matrix in parts: more than one where types differ or a buffer would be too large.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    /// Rows.
    pub n: u32,
    /// Their length.
    pub k: u32,
    /// In the order of rows.
    pub parts: Vec<Part>,
}

/// A matrix of [`Weights`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MatrixId(usize);

/// All weights of a model: every matrix that was ever declared, and every buffer of them and of vectors.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    matrices: Vec<Matrix>,
    /// By the names of their tensors; not of experts.
    inside: HashMap<String, Inside>,
    buffers: HashSet<BufferId>,
    /// Of whole tensors, by their numbers; known once the file has been read.
    pub(super) scales: Vec<f32>,
    /// Mixtures whose experts stay in the file.
    kept: Vec<Kept>,
}

impl std::ops::Index<MatrixId> for Weights {
    type Output = Matrix;

    fn index(&self, id: MatrixId) -> &Matrix {
        &self.matrices[id.0]
    }
}

impl Weights {
    /// Every matrix, in the order in which they were declared.
    pub fn matrices(&self) -> &[Matrix] {
        &self.matrices
    }

    /// What a part's weights are to be multiplied by.
    pub fn scale(&self, part: &Part) -> f32 {
        part.scale.and_then(|index| self.scales.get(index)).copied().unwrap_or(1.0)
    }

    /// Mixtures whose experts stay in the file, in the order of layers.
    pub fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// Whether a buffer holds weights.
    pub fn holds(&self, buffer: BufferId) -> bool {
        self.buffers.contains(&buffer)
    }

    /// The matrix of which a buffer holds a part, and which part.
    pub fn part(&self, buffer: BufferId) -> Option<(&Matrix, &Part)> {
        let mut all = self.matrices.iter().flat_map(|matrix| matrix.parts.iter().map(move |part| (matrix, part)));
        all.find(|(_, part)| part.buffer == buffer)
    }
}

/// Where a run of a tensor's elements goes.
#[derive(Clone, Debug)]
pub enum Target {
    /// Elements of a part, stored as its type and repacked into its planes.
    Part {
        /// The part's buffer.
        buffer: BufferId,
        /// Their type, which is the part's or stored as that.
        kind: TensorType,
        /// Where each plane starts, in u32 words.
        planes: [u32; 4],
        /// The part's element that is the run's first.
        first_element: u64,
        /// The tensor's rows. Only floats are filled up: blocks of other types divide their rows.
        row: Filled,
    },
    /// A run of elements as f32, from this element of a buffer on.
    Floats {
        /// The buffer.
        buffer: BufferId,
        /// The buffer's element that is the tensor's first.
        first_element: u64,
        /// The elements are multiplied by this.
        scale: f32,
    },
    /// The one number of the tensor: the scale of this number.
    Scale(usize),
    /// The whole tensor as f32, kept for the CPU from this element on.
    Host {
        /// Its place in what is kept.
        first_element: u64,
    },
}

/// One run of the file's bytes and its target. Sorted by offset, they are the upload's schedule.
#[derive(Clone, Debug)]
pub struct Placement {
    /// How they are stored in the file.
    pub kind: TensorType,
    /// Their first byte, counted from the start of the file.
    pub offset: u64,
    /// How many.
    pub elements: u64,
    /// Where they go.
    pub target: Target,
}

impl Placement {
    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.elements / self.kind.block_len() as u64 * self.kind.block_bytes() as u64
    }
}

/// Elements that are repacked together: two of the layout's units, so that every plane grows by whole words.
pub const UNIT: u64 = 2 * quant::UNIT as u64;
/// Rows that the CPU's kernels take at a time: parts have room for whole fours.
const ROWS: u64 = 4;
/// So that one dispatch of 16 rows a workgroup covers a part.
const MAX_PART_ROWS: u64 = 1 << 19;

/// A catalog's tensors while a model declares them.
pub struct Tensors<'a> {
    arch: &'static str,
    unclaimed: HashMap<&'a str, &'a Tensor>,
    memory: &'a mut dyn Memory,
    /// What declared names begin with in the file.
    prefix: String,
    placements: Vec<Placement>,
    weights: Weights,
    /// Scales of whole tensors so far.
    scales: usize,
    /// Of each mixture so many experts are in memory at a time.
    experts_kept: Option<u32>,
    /// Of the mixture that is declared, tensors of experts: the first byte of each, and bytes from one expert to the next.
    of_experts: Vec<(u64, u64)>,
}

impl<'a> Tensors<'a> {
    /// None of them is declared yet. `memory` gives their buffers.
    pub fn new(catalog: &'a Catalog, arch: &'static str, memory: &'a mut dyn Memory) -> Self {
        Tensors {
            arch,
            unclaimed: catalog.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect(),
            memory,
            prefix: String::new(),
            placements: Vec::new(),
            weights: Weights::default(),
            scales: 0,
            experts_kept: None,
            of_experts: Vec::new(),
        }
    }

    /// Of each mixture that is declared from here on so many experts are in memory at a time.
    pub fn keep_experts(&mut self, kept: Option<u32>) {
        self.experts_kept = kept;
    }

    /// What follows is declared in this layer; in none, if `None`.
    pub fn set_layer(&mut self, layer: Option<u32>) {
        self.prefix = layer.map_or(String::new(), |layer| format!("blk.{layer}."));
    }

    /// All weights, and where their bytes go, sorted by offset. `UnsupportedArchitecture` where a tensor was not claimed:
    /// a model would run wrongly without it.
    pub fn finish(self) -> Result<(Weights, Vec<Placement>)> {
        if let Some(name) = self.unclaimed.keys().min() {
            bail!(
                UnsupportedArchitecture,
                "This {} model has a tensor {} that is not supported",
                self.arch,
                quoted(name)
            );
        }
        let mut placements = self.placements;
        placements.sort_by_key(|p| p.offset);
        Ok((self.weights, placements))
    }

    /// Whether there is a tensor of this name that was not declared yet.
    pub fn has(&self, name: &str) -> bool {
        self.unclaimed.contains_key(format!("{}{name}", self.prefix).as_str())
    }

    /// Claims a tensor that is of no use, if it is there.
    pub fn ignore(&mut self, name: &str) {
        self.unclaimed.remove(format!("{}{name}", self.prefix).as_str());
    }

    /// Claims the tensors of this layer and of those behind it, which guess what comes after the next token.
    pub fn ignore_layers_from(&mut self, first: usize) {
        let layer = |name: &str| name.strip_prefix("blk.")?.split_once('.')?.0.parse::<usize>().ok();
        self.unclaimed.retain(|name, _| layer(name).is_none_or(|layer| layer < first));
    }

    /// [n] floats.
    pub fn vector(&mut self, name: &str, n: u32) -> Result<BufferId> {
        self.vectors(&[(name, n)], 1.0)
    }

    /// Room for what is written as passes go, which is none of the weights.
    pub fn room(&mut self, label: &str, bytes: u64) -> Result<BufferId> {
        self.memory.alloc(label, bytes)
    }

    /// Floats of no file, in one piece.
    pub fn constant(&mut self, label: &str, piece: Filled, value: f32) -> Result<BufferId> {
        let buffer = self.alloc(label, u64::from(piece.room) * 4)?;
        self.memory.write(buffer, 0, bytemuck::cast_slice(&vec![value; piece.length as usize]));
        Ok(buffer)
    }

    /// Vectors one after the other in one buffer, multiplied by `scale`.
    pub fn vectors(&mut self, vectors: &[(&str, u32)], scale: f32) -> Result<BufferId> {
        let shapes: Vec<_> = vectors.iter().map(|&(name, n)| (name, [n, 1])).collect();
        self.floats(&shapes, scale)
    }

    /// The same of floats that have rows, given as (name, [length of a row, rows]).
    pub fn floats(&mut self, tensors: &[(&str, [u32; 2])], scale: f32) -> Result<BufferId> {
        let whole: Vec<_> = tensors.iter().map(|(_, [length, rows])| Filled::whole(length * rows)).collect();
        self.floats_in(tensors, &whole, scale)
    }

    /// Vectors of these pieces, one after the other in one buffer, multiplied by `scale`.
    pub fn vectors_in(&mut self, vectors: &[(&str, u32)], piece: Filled, scale: f32) -> Result<BufferId> {
        let shapes: Vec<_> = vectors.iter().map(|&(name, n)| (name, [n, 1])).collect();
        self.floats_in(&shapes, &vec![piece; shapes.len()], scale)
    }

    /// Floats that have rows, each tensor in its pieces.
    pub fn floats_in(&mut self, tensors: &[(&str, [u32; 2])], pieces: &[Filled], scale: f32) -> Result<BufferId> {
        let claim = |&(name, shape): &(&str, [u32; 2])| self.claim(name, &shape.map(u64::from));
        let tensors = tensors.iter().map(claim).collect::<Result<Vec<_>>>()?;
        let total: u64 = tensors.iter().zip(pieces).map(|(tensor, piece)| piece.place(tensor.elements())).sum();
        let buffer = self.alloc(&tensors[0].name, total * 4)?;
        let mut first_element = 0;
        for (tensor, piece) in tensors.into_iter().zip(pieces) {
            let length = u64::from(piece.length);
            for skip in (0..tensor.elements()).step_by(piece.length as usize) {
                self.place(tensor, skip, length, Target::Floats { buffer, first_element, scale });
                first_element += u64::from(piece.room);
            }
        }
        Ok(buffer)
    }

    /// Floats of this shape that the CPU needs, not the device, kept from `first_element` on.
    pub fn host(&mut self, name: &str, shape: [u32; 2], first_element: u64) -> Result<()> {
        let tensor = self.claim(name, &shape.map(u64::from))?;
        self.place(tensor, 0, tensor.elements(), Target::Host { first_element });
        Ok(())
    }

    /// Claims `n` rows that stay in the file.
    pub fn in_file(&mut self, name: &str, length: u32, n: u32) -> Result<(TensorType, u64)> {
        let tensor = self.claim(name, &[length, n].map(u64::from))?;
        Ok((tensor.kind, tensor.offset))
    }

    /// n rows of weights.
    pub fn matrix(&mut self, name: &str, row: Filled, n: u32) -> Result<MatrixId> {
        self.stack(row, &[(name, n)], None)
    }

    /// Matrices of such rows, stacked, with zeros behind each `piece` of their rows. Neighbours of one type share a part while
    /// it fits and starts on a whole unit; where one type holds them all exactly, that is theirs: a dispatch less is worth the
    /// bytes.
    pub fn stack(&mut self, row: Filled, matrices: &[(&str, u32)], piece: Option<Filled>) -> Result<MatrixId> {
        let mut tensors = Vec::with_capacity(matrices.len());
        for &(name, n) in matrices {
            tensors.push(self.whole(name, row, n, piece.unwrap_or(Filled::whole(n)))?);
        }
        self.known(row, &tensors)
    }

    /// A matrix of tensors one after the other, or of `experts` times the rows of each tensor, none of which is cut.
    fn pile(&mut self, row: Filled, tensors: &[Stacked], experts: Option<u32>) -> Result<MatrixId> {
        let matrix = Matrix { n: 0, k: row.room, parts: Vec::new() };
        let mut stack = Stack { kind: common(tensors), row, matrix, runs: Vec::new() };
        let k = u64::from(row.room);
        for expert in 0..experts.unwrap_or(1) {
            // What begins an expert has to have room for all of it.
            let mut together: u64 = match experts {
                Some(_) => tensors.iter().map(Stacked::room).sum(),
                None => 0,
            };
            for Stacked { tensor, scale, n, piece: Filled { length, room }, turn: [which, of] } in tensors {
                let most = self.rows_that_fit(stack.kind_of(tensor), k)?;
                if together > most {
                    bail!(
                        AdapterTooSmall,
                        "An expert's {together} weight rows of {k} elements do not fit the adapter's largest binding of {} bytes; use another adapter.",
                        self.memory.max_binding()
                    );
                }
                for begin in (expert * n..(expert + 1) * n).step_by(*length as usize).map(u64::from) {
                    let begin = begin * u64::from(*of) + u64::from(which * length);
                    let (rows, end) = (u64::from(*room), begin + u64::from(*length));
                    let held = stack.rows();
                    let alike = |run: &Run| stack.kind_of(run.tensor) == stack.kind_of(tensor) && run.scale == *scale;
                    let joins = stack.runs.last().is_some_and(alike)
                        && held + rows.max(together) <= most
                        && (held * k).is_multiple_of(UNIT);
                    if !joins {
                        self.part(&mut stack)?;
                    }
                    together = 0;
                    let mut first = 0;
                    while first < rows {
                        let room = (rows - first).min(most);
                        let from = begin + first;
                        let count = room.min(end.saturating_sub(from));
                        stack.runs.push(Run { tensor, scale: *scale, first: from, count, room });
                        first += room;
                        if first < rows {
                            self.part(&mut stack)?;
                        }
                    }
                }
            }
        }
        self.part(&mut stack)?;
        self.weights.matrices.push(stack.matrix);
        Ok(MatrixId(self.weights.matrices.len() - 1))
    }

    /// The scale of a whole tensor `NAME.weight`, which NVFP4's may have: `NAME.scale`. `NAME.input_scale` is for those who
    /// compute with activations of 4 bits.
    fn own_scale(&mut self, name: &str) -> Result<Option<usize>> {
        let Some(stem) = name.strip_suffix(".weight") else { return Ok(None) };
        self.ignore(&format!("{stem}.input_scale"));
        let name = format!("{stem}.scale");
        if !self.has(&name) {
            return Ok(None);
        }
        let tensor = self.claim(&name, &[1])?;
        self.place(tensor, 0, 1, Target::Scale(self.scales));
        self.scales += 1;
        Ok(Some(self.scales - 1))
    }

    /// The tensor of this name, which has to have this shape (the length of a row first). `MissingTensor`, `BadShape`.
    fn claim(&mut self, name: &str, shape: &[u64]) -> Result<&'a Tensor> {
        let name = format!("{}{name}", self.prefix);
        let Some(tensor) = self.unclaimed.remove(name.as_str()) else {
            bail!(
                MissingTensor,
                "The {} model has no tensor {name}; the file is incomplete or of another kind",
                self.arch
            );
        };
        if without_ones(&tensor.shape) != without_ones(shape) {
            bail!(
                BadShape,
                "The tensor {name} has the shape {:?}, the model's sizes ask for {shape:?}; the file needs to be converted again",
                tensor.shape
            );
        }
        Ok(tensor)
    }

    fn alloc(&mut self, label: &str, bytes: u64) -> Result<BufferId> {
        let buffer = self.memory.alloc(label, bytes)?;
        self.weights.buffers.insert(buffer);
        Ok(buffer)
    }

    /// Rows of a part that stay under the adapter's binding limit, so many that the next part starts on a whole unit.
    /// `AdapterTooSmall` where even a few are too large.
    fn rows_that_fit(&self, kind: TensorType, k: u64) -> Result<u64> {
        let step = (ROWS..=UNIT).step_by(ROWS as usize).find(|s| (s * k).is_multiple_of(UNIT)).unwrap_or(UNIT);
        let step_bytes = quant::plane_offsets(kind, step * k).1;
        // Planes start 16-byte aligned: leave room for that.
        let most = self.memory.max_binding().saturating_sub(64) / step_bytes * step;
        if most == 0 {
            bail!(
                AdapterTooSmall,
                "A few weight rows of {k} elements do not fit the adapter's largest binding of {} bytes; use another adapter.",
                self.memory.max_binding()
            );
        }
        Ok(most.min(MAX_PART_ROWS))
    }

    /// Allocates a part for the runs collected so far, and empties them.
    fn part(&mut self, stack: &mut Stack) -> Result<()> {
        let Some(&Run { tensor, scale, .. }) = stack.runs.first() else {
            return Ok(());
        };
        let (k, kind, rows) = (u64::from(stack.matrix.k), stack.kind_of(tensor), stack.rows());
        let (offsets, bytes) = quant::plane_offsets(kind, rows.next_multiple_of(ROWS) * k);
        let mut planes = [0; 4];
        planes.iter_mut().zip(&offsets).for_each(|(p, o)| *p = (o / 4) as u32);
        let buffer = self.alloc(&tensor.name, bytes)?;
        let mut first_element = 0;
        let (row, length) = (stack.row, u64::from(stack.row.length));
        for Run { tensor, first, count, room, .. } in stack.runs.drain(..) {
            if count > 0 {
                let target = Target::Part { buffer, kind, planes, first_element, row };
                self.place(tensor, first * length, count * length, target);
            }
            first_element += room * k;
        }
        let matrix = &mut stack.matrix;
        let (kind, first_row, n_rows) = (kind.stored(), matrix.n, rows as u32);
        matrix.parts.push(Part { buffer, kind, first_row, n_rows, planes, scale });
        matrix.n += rows as u32;
        Ok(())
    }

    fn place(&mut self, tensor: &Tensor, skip: u64, elements: u64, target: Target) {
        let offset = tensor.offset + skip / tensor.kind.block_len() as u64 * tensor.kind.block_bytes() as u64;
        self.placements.push(Placement { kind: tensor.kind, offset, elements, target });
    }
}

/// A matrix that is being put together.
struct Stack<'a> {
    /// The type that holds all its tensors, where there is one.
    kind: Option<TensorType>,
    row: Filled,
    matrix: Matrix,
    /// Rows that will share a part.
    runs: Vec<Run<'a>>,
}

/// Rows of a tensor.
#[derive(Clone, Copy)]
struct Run<'a> {
    tensor: &'a Tensor,
    scale: Option<usize>,
    first: u64,
    count: u64,
    /// With the rows of zeros behind them.
    room: u64,
}

impl Stack<'_> {
    fn kind_of(&self, tensor: &Tensor) -> TensorType {
        self.kind.unwrap_or(tensor.kind)
    }

    fn rows(&self) -> u64 {
        self.runs.iter().map(|run| run.room).sum()
    }
}

/// Writers may add dimensions of 1.
fn without_ones(shape: &[u64]) -> &[u64] {
    shape.iter().rposition(|&length| length != 1).map_or(&shape[..1], |last| &shape[..=last])
}
