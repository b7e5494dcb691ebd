//! Embeddings that tokens have for each layer alone (Gemma 3n and 4, Google 2025). A pass begins with all of a token's,
//! to which what the stream begins with is added through a norm:
//!   e[l] = (√width · E[token][l] + norm(W x / √n_embd)[l]) / √2
//! Behind its two parts each block lets its piece in by a gate: x += norm(W_proj (gelu(W_gate x) · e[l])).

use super::norm::Norms;
use super::pass::{Input, Own, Pass};
use super::product::Fused;
use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::kernels::table::choices::Gate;
use crate::kernels::table::{gate_by, rmsnorm, scale_by};
use crate::model::filled::Filled;
use crate::model::place::{MatrixId, Tensors};
use crate::model::spec::{Behind, Net};
use crate::quant::TensorType;

/// What a pass begins with.
pub struct Tables {
    tokens: Tokens,
    /// [layers * width][n_embd]
    stream: MatrixId,
    /// [width], over √2
    norm: BufferId,
    width: u32,
}

impl Tables {
    /// `UnsupportedArchitecture` where the width is no multiple of 32.
    pub fn place(net: &Net, max_rows: u32, t: &mut Tensors) -> Result<Option<Self>> {
        let Some(width) = net.layer_embedding() else { return Ok(None) };
        if !width.is_multiple_of(32) {
            bail!(
                UnsupportedArchitecture,
                "This {} model has embeddings of {width} numbers for each layer; multiples of 32 are supported",
                net.arch
            );
        }
        let all = width * net.blocks.len() as u32;
        const NAME: &str = "per_layer_token_embd.weight";
        let tokens = match net.layers_in_file {
            false => Tokens::Matrix(t.matrix(NAME, Filled::whole(all), net.n_vocab)?),
            true => {
                let (kind, offset) = t.in_file(NAME, all, net.n_vocab)?;
                let buffer = t.room("layers' embeddings", u64::from(max_rows) * u64::from(all) * 4)?;
                Tokens::File(FileRows { kind, offset, length: all, scale: scale(width), buffer })
            }
        };
        Ok(Some(Tables {
            tokens,
            stream: t.matrix("per_layer_model_proj.weight", net.stream(), all)?,
            norm: t.vectors(&[("per_layer_proj_norm.weight", width)], std::f32::consts::FRAC_1_SQRT_2)?,
            width,
        }))
    }

    /// What stays in the file.
    pub fn file_rows(&self) -> Option<&FileRows> {
        match &self.tokens {
            Tokens::File(rows) => Some(rows),
            Tokens::Matrix(_) => None,
        }
    }
}

/// What a token's embeddings are multiplied by.
fn scale(width: u32) -> f32 {
    (width as f32 / 2.0).sqrt()
}

/// Where the embeddings are.
enum Tokens {
    /// [n_vocab][layers * width]
    Matrix(MatrixId),
    File(FileRows),
}

/// Rows of a tensor that stays in the file.
#[derive(Clone, Copy, Debug)]
pub struct FileRows {
    /// How they are stored there.
    pub kind: TensorType,
    /// The first one's first byte, counted from the start of the file.
    pub offset: u64,
    /// Numbers of a row.
    pub length: u32,
    /// They are multiplied by this.
    pub scale: f32,
    /// Where those of a batch are wanted: [rows][length] floats.
    pub buffer: BufferId,
}

/// A block's.
pub struct Weights {
    own: Option<Gated>,
    /// What the stream is multiplied by, last.
    scale: Option<BufferId>,
}

struct Gated {
    /// [width][n_embd]
    gate: MatrixId,
    /// [n_embd][width]
    up: MatrixId,
    /// [n_embd]
    norm: BufferId,
    width: u32,
}

impl Weights {
    pub fn place(spec: &Behind, norms: &Norms, t: &mut Tensors) -> Result<Self> {
        let stream = norms.stream;
        let mut own = |width| -> Result<Gated> {
            Ok(Gated {
                gate: t.matrix("inp_gate.weight", stream, width)?,
                up: t.stack(Filled::whole(width), &[("proj.weight", stream.length)], Some(stream))?,
                norm: norms.place_rms("post_norm", 1.0, t)?,
                width,
            })
        };
        let own = spec.embedding.map(&mut own).transpose()?;
        Ok(Weights { own, scale: spec.scaled.then(|| t.vector("layer_output_scale.weight", 1)).transpose()? })
    }
}

impl Pass<'_> {
    /// All layers' of the batch's tokens.
    pub(super) fn embed_layers(&mut self, tables: &Tables) -> Result<()> {
        let (net, rows, width) = (self.at.net, self.shape.rows, tables.width);
        let layers = net.blocks.len() as u32;
        let embedded = match &tables.tokens {
            Tokens::File(file) => Own { at: file.buffer, act: None },
            Tokens::Matrix(matrix) => {
                let act = self.acts.take(rows, layers * width)?;
                self.embed(*matrix, scale(width), 0, act.id)?;
                Own { at: act.id, act: Some(act) }
            }
        };
        let x = self.project(tables.stream, &Input::Stream { norm: None }, Fused::default())?;
        // A norm of x / √n is one of x whose epsilon is n times as large.
        let eps = net.norm_eps * net.n_embd as f32;
        let params = rmsnorm::Params { k4: width / 4, eps, gather: 0, accumulate: 1 };
        let bind = rmsnorm::Bind { x: x.id, weight: tables.norm, rows: self.at.ends.outputs, out: embedded.at };
        self.recording.push(self.at.choice.rmsnorm(), params, bind, [1, rows * layers])?;
        self.acts.free(x);
        self.own = Some(embedded);
        Ok(())
    }

    /// What comes behind both parts of block `index`.
    pub(super) fn behind(&mut self, index: usize, w: &Weights) -> Result<()> {
        if let Some(own) = &w.own {
            let gate = self.project(own.gate, &Input::Stream { norm: None }, Fused::default())?;
            let gated = self.acts.take(self.shape.rows, own.width)?;
            let Some(embedded) = &self.own else { bail!(Internal, "Layers' own embeddings were not looked up.") };
            let (n4, stride4) = (own.width / 4, own.width / 4 * self.at.net.blocks.len() as u32);
            let params = gate_by::Params { n4, stride4, first4: index as u32 * n4 };
            let bind = gate_by::Bind { x: gate.id, y: embedded.at, out: gated.id };
            let grid = [n4.div_ceil(gate_by::THREADS), self.shape.rows];
            self.recording.push(gate_by::Variant { gate: Gate::GeluGlu }, params, bind, grid)?;
            self.acts.free(gate);
            self.add(own.up, None, gated, Some(own.norm))?;
        }
        let Some(scale) = w.scale else { return Ok(()) };
        self.settle()?;
        let params = scale_by::Params { n4: self.stream.at.width / 4 };
        let grid = [params.n4.div_ceil(scale_by::THREADS), self.shape.rows];
        self.recording.push(scale_by::Variant {}, params, scale_by::Bind { scale, x: self.stream.at.id }, grid)
    }
}
