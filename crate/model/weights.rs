//! From the file's tensors to GPU buffers: which weights are stacked into one matrix, how a matrix is cut into parts
//! that fit the adapter, and where each tensor's bytes go as they stream in.

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::memory::Memory;
use crate::file::gguf::{Header, TensorInfo};
use crate::model::config::{ModelConfig, Role};
use crate::quant::{self, TensorType};

/// Whole rows of one tensor type in one buffer.
#[derive(Clone, Debug)]
pub struct Part {
    pub buffer: BufferId,
    pub kind: TensorType,
    pub first_row: u32,
    pub n_rows: u32,
    /// Where each plane starts, in u32 words.
    pub planes: [u32; 4],
}

/// An [n][k] matrix in parts: more than one where types differ or a buffer would be too large.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    pub n: u32,
    pub k: u32,
    pub parts: Vec<Part>,
}

/// The weights of one layer. What a model does not have is `None`.
#[derive(Clone, Debug)]
pub struct Layer {
    /// [n_embd]
    pub attn_norm: BufferId,
    /// Q, K and V stacked: [(n_heads + 2 n_kv_heads) * head_dim][n_embd]
    pub qkv: Matrix,
    /// [(n_heads + 2 n_kv_heads) * head_dim]
    pub qkv_bias: Option<BufferId>,
    /// [head_dim]
    pub q_norm: Option<BufferId>,
    pub k_norm: Option<BufferId>,
    /// [n_embd][n_heads * head_dim]
    pub attn_output: Matrix,
    pub post_attention_norm: Option<BufferId>,
    pub ffn_norm: BufferId,
    /// Gate and up stacked: [2 * n_ff][n_embd]
    pub gate_up: Matrix,
    /// [n_embd][n_ff]
    pub down: Matrix,
    pub post_ffw_norm: Option<BufferId>,
}

#[derive(Clone, Debug)]
pub struct Weights {
    /// [n_vocab][n_embd]
    pub token_embd: Matrix,
    pub layers: Vec<Layer>,
    pub output_norm: BufferId,
    /// [n_vocab][n_embd]; the embedding itself where it is tied.
    pub output: Matrix,
}

impl Weights {
    /// Every matrix, each once.
    pub fn matrices(&self) -> impl Iterator<Item = &Matrix> {
        let layers = self.layers.iter().flat_map(|l| [&l.qkv, &l.attn_output, &l.gate_up, &l.down]);
        let is_tied = self.output.parts[0].buffer == self.token_embd.parts[0].buffer;
        layers.chain([&self.token_embd]).chain((!is_tied).then_some(&self.output))
    }
}

/// Where a run of a tensor's elements goes.
#[derive(Clone, Debug)]
pub enum Target {
    /// Elements of a part, stored as its type and repacked into its planes.
    Part { buffer: BufferId, kind: TensorType, planes: [u32; 4], first_element: u64 },
    /// The whole tensor as f32, at this element of a buffer.
    Floats { buffer: BufferId, first_element: u64 },
    /// The whole tensor as f32, kept for the CPU.
    Host,
}

/// One run of the file's bytes and its target. Sorted by offset, they are the upload's schedule.
#[derive(Clone, Debug)]
pub struct Placement {
    pub kind: TensorType,
    pub offset: u64,
    pub elements: u64,
    pub target: Target,
}

/// Elements that are repacked together: two of the layout's units, so that every plane grows by whole words.
pub const UNIT: u64 = 2 * quant::UNIT as u64;
/// Rows that the CPU's kernels take at a time: parts have room for whole fours.
const ROWS: u64 = 4;
/// So that one dispatch of 16 rows a workgroup covers a part.
const MAX_PART_ROWS: u64 = 1 << 19;

/// Allocates every weight buffer and says where the file's bytes go. `AdapterTooSmall` where even a few rows are too large.
pub fn place(header: &Header, config: &ModelConfig, memory: &mut dyn Memory) -> Result<(Weights, Vec<Placement>)> {
    let mut plan = Planner { header, memory, placements: Vec::new() };
    let token_embd = plan.matrix(&[plan.need(Role::TokenEmbd, 0)?])?;
    let mut layers = Vec::with_capacity(config.n_layers as usize);
    for l in 0..config.n_layers {
        let biases: Vec<&TensorInfo> =
            [Role::AttnQBias, Role::AttnKBias, Role::AttnVBias].iter().filter_map(|&r| plan.find(r, l)).collect();
        layers.push(Layer {
            attn_norm: plan.vector(Role::AttnNorm, l)?,
            qkv: plan.stack(&[Role::AttnQ, Role::AttnK, Role::AttnV], l)?,
            qkv_bias: if biases.is_empty() { None } else { Some(plan.floats(&biases)?) },
            q_norm: plan.optional_vector(Role::AttnQNorm, l)?,
            k_norm: plan.optional_vector(Role::AttnKNorm, l)?,
            attn_output: plan.stack(&[Role::AttnOutput], l)?,
            post_attention_norm: plan.optional_vector(Role::PostAttentionNorm, l)?,
            ffn_norm: plan.vector(Role::FfnNorm, l)?,
            gate_up: plan.stack(&[Role::FfnGate, Role::FfnUp], l)?,
            down: plan.stack(&[Role::FfnDown], l)?,
            post_ffw_norm: plan.optional_vector(Role::PostFfwNorm, l)?,
        });
    }
    let output_norm = plan.vector(Role::OutputNorm, 0)?;
    let output = match plan.find(Role::Output, 0) {
        Some(tensor) => plan.matrix(&[tensor])?,
        None => token_embd.clone(),
    };
    if let Some(tensor) = plan.find(Role::RopeFreqs, 0) {
        plan.place(tensor, 0, elements(tensor), Target::Host);
    }
    let mut placements = plan.placements;
    placements.sort_by_key(|p| p.offset);
    Ok((Weights { token_embd, layers, output_norm, output }, placements))
}

struct Planner<'a> {
    header: &'a Header,
    memory: &'a mut dyn Memory,
    placements: Vec<Placement>,
}

fn elements(tensor: &TensorInfo) -> u64 {
    tensor.shape.iter().product()
}

impl<'a> Planner<'a> {
    fn find(&self, role: Role, layer: u32) -> Option<&'a TensorInfo> {
        let name = role.name(layer);
        self.header.tensor(&name)
    }

    fn need(&self, role: Role, layer: u32) -> Result<&'a TensorInfo> {
        match self.find(role, layer) {
            Some(tensor) => Ok(tensor),
            None => bail!(
                MissingTensor,
                "The file has no tensor '{}', which its architecture needs; it may be incomplete.",
                role.name(layer)
            ),
        }
    }

    fn vector(&mut self, role: Role, layer: u32) -> Result<BufferId> {
        self.floats(&[self.need(role, layer)?])
    }

    fn optional_vector(&mut self, role: Role, layer: u32) -> Result<Option<BufferId>> {
        self.find(role, layer).map(|tensor| self.floats(&[tensor])).transpose()
    }

    /// Small tensors one after the other in one f32 buffer.
    fn floats(&mut self, tensors: &[&TensorInfo]) -> Result<BufferId> {
        let total: u64 = tensors.iter().map(|t| elements(t)).sum();
        let buffer = self.memory.alloc(&tensors[0].name, total * 4)?;
        let mut first_element = 0;
        for tensor in tensors {
            self.place(tensor, 0, elements(tensor), Target::Floats { buffer, first_element });
            first_element += elements(tensor);
        }
        Ok(buffer)
    }

    fn stack(&mut self, roles: &[Role], layer: u32) -> Result<Matrix> {
        let tensors = roles.iter().map(|&r| self.need(r, layer)).collect::<Result<Vec<_>>>()?;
        self.matrix(&tensors)
    }

    /// Stacks the tensors' rows. Neighbours of one type share a part while it fits and starts on a whole unit; where
    /// one type holds them all exactly, that is theirs: a dispatch less is worth the bytes.
    fn matrix(&mut self, tensors: &[&'a TensorInfo]) -> Result<Matrix> {
        let k = tensors[0].shape[0];
        let first = Some(tensors[0].kind);
        let common = tensors.iter().fold(first, |kind, t| kind.and_then(|kind| quant::common(kind, t.kind)));
        let kind_of = |tensor: &TensorInfo| common.unwrap_or(tensor.kind);
        let mut matrix = Matrix { n: 0, k: k as u32, parts: Vec::new() };
        // Runs of rows that will share a part: (tensor, its first row, rows).
        let mut runs: Vec<(&TensorInfo, u64, u64)> = Vec::new();
        for &tensor in tensors {
            let rows = tensor.shape.get(1).copied().unwrap_or(1);
            let most = self.rows_that_fit(kind_of(tensor), k)?;
            let held: u64 = runs.iter().map(|r| r.2).sum();
            let joins = runs.last().is_some_and(|(t, ..)| kind_of(t) == kind_of(tensor))
                && held + rows <= most
                && (held * k).is_multiple_of(UNIT);
            if !joins {
                self.part(&mut matrix, &mut runs, common)?;
            }
            let mut first = 0;
            while first < rows {
                let take = (rows - first).min(most);
                runs.push((tensor, first, take));
                first += take;
                if first < rows {
                    self.part(&mut matrix, &mut runs, common)?;
                }
            }
        }
        self.part(&mut matrix, &mut runs, common)?;
        Ok(matrix)
    }

    /// Rows of a part that stay under the adapter's binding limit, so many that the next part starts on a whole unit.
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
    fn part(
        &mut self,
        matrix: &mut Matrix,
        runs: &mut Vec<(&TensorInfo, u64, u64)>,
        common: Option<TensorType>,
    ) -> Result<()> {
        let Some(&(first, ..)) = runs.first() else {
            return Ok(());
        };
        let (k, kind) = (matrix.k as u64, common.unwrap_or(first.kind));
        let rows: u64 = runs.iter().map(|r| r.2).sum();
        let (offsets, bytes) = quant::plane_offsets(kind, rows.next_multiple_of(ROWS) * k);
        let mut planes = [0; 4];
        planes.iter_mut().zip(&offsets).for_each(|(p, o)| *p = (o / 4) as u32);
        let buffer = self.memory.alloc(&first.name, bytes)?;
        let mut first_element = 0;
        for (tensor, row, count) in runs.drain(..) {
            self.place(tensor, row * k, count * k, Target::Part { buffer, kind, planes, first_element });
            first_element += count * k;
        }
        matrix.parts.push(Part { buffer, kind, first_row: matrix.n, n_rows: rows as u32, planes });
        matrix.n += rows as u32;
        Ok(())
    }

    fn place(&mut self, tensor: &TensorInfo, skip: u64, elements: u64, target: Target) {
        let offset = tensor.offset + skip / tensor.kind.block_len() as u64 * tensor.kind.block_bytes() as u64;
        self.placements.push(Placement { kind: tensor.kind, offset, elements, target });
    }
}
