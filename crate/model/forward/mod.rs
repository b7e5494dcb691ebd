//! The transformer, written down as dispatches: embed, then per layer attention and feed-forward, then logits.
//! Activations are f32, row-major, [rows of the batch][width].

mod products;

use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::base::precision::KvType;
use crate::device::memory::Memory;
use crate::device::recording::Recording;
use crate::file::gguf::Header;
use crate::kernels::choose::{Attend, Choice, Heads, Product, Tuning};
use crate::kernels::table::choices::Op;
use crate::kernels::table::{attention, attention_combine, decode_attention, embed, map, rmsnorm, rope_kv};
use crate::model::config::{Activation, ModelConfig};
use crate::model::rope;
use crate::model::store::Store;
use crate::model::upload::Upload;
use crate::model::weights::{self, Layer, Matrix, Weights};

use products::Fused;

/// Stretches that a long context is cut into, for a token of its own: as many workgroups share a KV head's cells.
const SPLITS: u32 = 16;
/// Positions from which on that is worth a dispatch more.
const SPLIT_FROM: u32 = 512;
/// Rows from which on the matrix-matrix product is the faster one.
const MATMUL_ROWS: u32 = 5;

/// Words of a block of 32 activations in two planes of bytes, and their scale.
const INTEGER_WORDS: u64 = 20;

/// What a recording depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    pub rows: u32,
    /// Rows that want logits.
    pub outputs: u32,
    pub prefill: bool,
    /// The row's attention is split: only for one row that is not prefill.
    pub split: bool,
}

impl Shape {
    /// For a batch of these rows, the last of which is at `position`.
    pub fn new(rows: u32, outputs: u32, prefill: bool, position: u32) -> Self {
        Shape { rows, outputs, prefill, split: rows == 1 && !prefill && position >= SPLIT_FROM }
    }

    /// For one token after others.
    pub fn decode(position: u32) -> Self {
        Shape::new(1, 1, false, position)
    }

    /// Whether a layer's steps are fused, as they are where the products are matrix-vector ones.
    fn is_fused(self) -> bool {
        !self.prefill && self.rows < MATMUL_ROWS
    }
}

/// Sizes chosen at load.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Positions of a sequence, at most.
    pub context: u32,
    /// Positions of all sequences together whose keys and values are kept; at least `context`.
    pub cells: u32,
    /// Rows of the largest batch, and how many of them may want logits.
    pub max_rows: u32,
    pub max_outputs: u32,
    pub kv: KvType,
}

/// A model laid out in memory: everything a recording refers to.
pub struct Model {
    pub config: ModelConfig,
    pub sizes: Sizes,
    pub choice: Choice,
    /// What has been measured, which goes before `choice`.
    pub tuning: Tuning,
    weights: Weights,
    kv: Store,
    scratch: Scratch,
    /// One table per different (theta, scale), and which one a layer uses.
    rope_tables: Vec<(f32, f32, BufferId)>,
}

/// Activations between dispatches, reused by every layer.
struct Scratch {
    /// (token, position, first cell, 0) per row.
    batch: BufferId,
    /// Which rows want logits.
    outputs: BufferId,
    /// The residual stream [rows][n_embd], and its normalised copy; or a projection whose norm is added to it.
    x: BufferId,
    x_norm: BufferId,
    /// [a few rows][n_embd]: where products that add that norm first leave the stream, in turns with `x`.
    x_turn: Option<BufferId>,
    /// [rows][(n_heads + 2 n_kv_heads) * head_dim]
    qkv: BufferId,
    /// [rows][n_heads * head_dim]
    attn: BufferId,
    /// [n_heads][SPLITS][head_dim + 4]: one row's attention in parts.
    attn_parts: BufferId,
    /// [rows][2 n_ff], then [rows][n_ff]
    gate_up: BufferId,
    ffn: BufferId,
    /// [outputs][n_embd], then [outputs][n_vocab]
    x_out: BufferId,
    logits: BufferId,
    /// [rows][the longest k / 32]: activations as integers, for what multiplies such.
    integers: Option<BufferId>,
    /// Bound where a kernel has a buffer that the model does not need.
    none: BufferId,
}

impl Model {
    /// Allocates weights, cache and activations; the bytes then come through the returned upload.
    pub fn place(
        header: &Header,
        config: ModelConfig,
        sizes: Sizes,
        choice: Choice,
        memory: &mut dyn Memory,
    ) -> Result<(Self, Upload)> {
        let (weights, placements) = weights::place(header, &config, memory)?;
        let kv = Store::new(config.layers.iter().map(|_| config.kv_dim()), sizes.kv, sizes.cells, memory)?;
        let (rows, outputs) = (sizes.max_rows as u64, sizes.max_outputs as u64);
        let heads = config.n_heads as u64 * config.head_dim as u64;
        let quantized = weights.matrices().filter(|matrix| matrix.parts.iter().any(|part| part.kind.is_quantized()));
        let longest = quantized.map(|matrix| matrix.k).max();
        let has_post = weights.layers.iter().any(|l| l.post_attention_norm.or(l.post_ffw_norm).is_some());
        let mut floats = |label: &str, rows: u64, width: u64| memory.alloc(label, rows * width * 4);
        let scratch = Scratch {
            batch: floats("batch", rows, 4)?,
            outputs: floats("outputs", outputs, 1)?,
            x: floats("x", rows, config.n_embd as u64)?,
            x_norm: floats("x_norm", rows, config.n_embd as u64)?,
            x_turn: match choice.post && has_post {
                true => Some(floats("x_turn", rows.min(u64::from(MATMUL_ROWS) - 1), config.n_embd as u64)?),
                false => None,
            },
            qkv: floats("qkv", rows, weights.layers[0].qkv.n as u64)?,
            attn: floats("attn", rows, heads)?,
            attn_parts: floats("attn_parts", config.n_heads as u64 * SPLITS as u64, config.head_dim as u64 + 4)?,
            gate_up: floats("gate_up", rows, 2 * config.n_ff as u64)?,
            ffn: floats("ffn", rows, config.n_ff as u64)?,
            x_out: floats("x_out", outputs, config.n_embd as u64)?,
            logits: floats("logits", outputs, config.n_vocab as u64)?,
            integers: match longest.filter(|_| choice.planes.is_some()) {
                Some(k) => Some(floats("integers", rows, u64::from(k) / 32 * INTEGER_WORDS)?),
                None => None,
            },
            none: floats("none", 1, 4)?,
        };
        let mut rope_tables: Vec<(f32, f32, BufferId)> = Vec::new();
        let pairs = (rope::FINE + sizes.context / rope::FINE + 1) as u64 * config.rope_dim as u64 / 2;
        for layer in &config.layers {
            if !rope_tables.iter().any(|t| (t.0, t.1) == (layer.rope_theta, layer.rope_scale)) {
                rope_tables.push((layer.rope_theta, layer.rope_scale, memory.alloc("rope", pairs * 8)?));
            }
        }
        let upload = Upload::new(placements);
        Ok((Model { config, sizes, choice, tuning: Tuning::default(), weights, kv, scratch, rope_tables }, upload))
    }

    /// What can only be done once the file has been read: the RoPE tables, and the arrangement of the weights.
    pub fn finish(&self, upload: &Upload, memory: &mut dyn Memory) {
        for matrix in self.weights.matrices() {
            for part in &matrix.parts {
                memory.arrange(part.buffer, part.kind, part.planes, part.n_rows, matrix.k);
            }
        }
        for &(theta, scale, buffer) in &self.rope_tables {
            let table = rope::table(self.config.rope_dim, theta, scale, &upload.host, self.sizes.context);
            memory.write(buffer, 0, bytemuck::cast_slice(&table));
        }
    }

    pub fn batch_buffer(&self) -> BufferId {
        self.scratch.batch
    }
    pub fn outputs_buffer(&self) -> BufferId {
        self.scratch.outputs
    }
    /// Keys and values per layer.
    pub fn kv_buffers(&self) -> &[(BufferId, BufferId)] {
        &self.kv.layers
    }
    /// [outputs][n_vocab]
    pub fn logits_buffer(&self) -> BufferId {
        self.scratch.logits
    }

    pub fn kv(&self) -> &Store {
        &self.kv
    }
    pub fn kv_mut(&mut self) -> &mut Store {
        &mut self.kv
    }

    /// The forward pass of a batch of this shape. It depends on nothing else, so it can be prepared once for a shape
    /// and replayed with other tokens and positions.
    pub fn record(&self, shape: Shape) -> Result<Recording> {
        Ok(self.record_products(shape)?.0)
    }

    /// The same, and which products its dispatches (by index) compute, or make activations ready for.
    pub fn record_products(&self, shape: Shape) -> Result<(Recording, Vec<(Product, usize)>)> {
        let (recording, products) = (Recording::default(), Vec::new());
        let x = self.scratch.x;
        let mut pass = Pass { model: self, shape, rows: shape.rows, x, post: None, recording, products };
        pass.embed()?;
        for index in 0..self.weights.layers.len() {
            pass.attention(index)?;
            pass.feed_forward(&self.weights.layers[index])?;
        }
        if shape.outputs > 0 {
            pass.logits(shape.outputs)?;
        }
        Ok((pass.recording, pass.products))
    }
}

/// A recording being written for one batch shape.
struct Pass<'a> {
    model: &'a Model,
    shape: Shape,
    rows: u32,
    /// Where the stream is.
    x: BufferId,
    /// The weight of a norm of `x_norm` that is still to be added to it.
    post: Option<BufferId>,
    recording: Recording,
    products: Vec<(Product, usize)>,
}

impl Pass<'_> {
    /// x = embed_scale * token_embd[token]
    fn embed(&mut self) -> Result<()> {
        let (m, s) = (self.model, &self.model.scratch);
        for part in &m.weights.token_embd.parts {
            let k_blocks = m.config.n_embd / 32;
            self.recording.push(
                embed::Variant { format: part.kind },
                embed::Params {
                    planes: part.planes,
                    k_blocks,
                    first_row: part.first_row,
                    n_rows: part.n_rows,
                    scale: m.config.embed_scale,
                },
                embed::Bind { weights: part.buffer, batch: s.batch, out: self.x },
                [k_blocks.div_ceil(embed::THREADS), self.rows],
            )?;
        }
        Ok(())
    }

    /// x += norm?( W_o attention( rope(norm?(W_qkv norm(x))) ) )
    fn attention(&mut self, index: usize) -> Result<()> {
        let (m, s) = (self.model, &self.model.scratch);
        let layer = &m.weights.layers[index];
        self.normed_product(&layer.qkv, layer.attn_norm, Fused { bias: layer.qkv_bias, ..Fused::default() }, s.qkv)?;
        if self.rows == 1 && self.shape.is_fused() {
            self.attend_one(index)?;
        } else {
            self.attend_many(index)?;
        }
        self.residual(&layer.attn_output, s.attn, layer.post_attention_norm)
    }

    fn rope_table(&self, index: usize) -> BufferId {
        let layer = &self.model.config.layers[index];
        let mut tables = self.model.rope_tables.iter();
        tables.find(|t| (t.0, t.1) == (layer.rope_theta, layer.rope_scale)).expect("a table per layer kind").2
    }

    /// One row by itself: everything in a dispatch, or two where the context is long.
    fn attend_one(&mut self, index: usize) -> Result<()> {
        let (m, s) = (self.model, &self.model.scratch);
        let (c, layer, layer_config) = (&m.config, &m.weights.layers[index], &m.config.layers[index]);
        let (k_cache, v_cache) = m.kv.layers[index];
        let (variant, groups) = m.choice.decode_attention(c.n_heads / c.n_kv_heads);
        // A window of a tile or two gains nothing by being cut up.
        let split = self.shape.split && layer_config.window.is_none_or(|w| w > SPLIT_FROM);
        let splits = if split { SPLITS } else { 1 };
        let (q_norm, k_norm) = (layer.q_norm.unwrap_or(s.none), layer.k_norm.unwrap_or(s.none));
        let out = if split { s.attn_parts } else { s.attn };
        self.recording.push(
            variant,
            decode_attention::Params {
                n_heads: c.n_heads,
                n_kv_heads: c.n_kv_heads,
                head_dim4: c.head_dim / 4,
                rope_half: c.rope_dim / 2,
                neox: c.rope_neox as u32,
                has_norm: layer.q_norm.is_some() as u32,
                eps: c.norm_eps,
                attn_scale: c.attn_scale,
                window: layer_config.window.unwrap_or(0),
                groups,
                softcap: c.attn_logit_softcap.unwrap_or(0.0),
                splits,
            },
            decode_attention::Bind {
                batch: s.batch,
                qkv: s.qkv,
                q_norm,
                k_norm,
                rope: self.rope_table(index),
                k_cache,
                v_cache,
                out,
            },
            [c.n_kv_heads * groups, splits],
        )?;
        if split {
            let params = attention_combine::Params { dim4: c.head_dim / 4, splits };
            let bind = attention_combine::Bind { parts: s.attn_parts, out: s.attn };
            self.recording.push(attention_combine::Variant {}, params, bind, [c.n_heads, 1])?;
        }
        Ok(())
    }

    /// Rows that may see each other: all keys and values are written before any is read.
    fn attend_many(&mut self, index: usize) -> Result<()> {
        let (m, s) = (self.model, &self.model.scratch);
        let (c, layer, layer_config) = (&m.config, &m.weights.layers[index], &m.config.layers[index]);
        let (k_cache, v_cache) = m.kv.layers[index];
        let (q_norm, k_norm) = (layer.q_norm.unwrap_or(s.none), layer.k_norm.unwrap_or(s.none));
        let heads = Heads { n_heads: c.n_heads, n_kv_heads: c.n_kv_heads, head_dim: c.head_dim };
        let prefill = self.shape.prefill;
        let (variant, grid) = m.choice.rope_kv(heads, c.rope_dim / 2, self.rows, prefill);
        self.recording.push(
            variant,
            rope_kv::Params {
                n_heads: c.n_heads,
                n_kv_heads: c.n_kv_heads,
                head_dim: c.head_dim,
                rope_half: c.rope_dim / 2,
                neox: c.rope_neox as u32,
                has_norm: layer.q_norm.is_some() as u32,
                eps: c.norm_eps,
                attn_scale: c.attn_scale,
                rows: self.rows,
            },
            rope_kv::Bind {
                batch: s.batch,
                q_norm,
                k_norm,
                rope: self.rope_table(index),
                qkv: s.qkv,
                k_cache,
                v_cache,
            },
            grid,
        )?;
        let Attend { variant, groups, grid } = m.choice.attention(heads, self.rows, prefill);
        self.recording.push(
            variant,
            attention::Params {
                n_heads: c.n_heads,
                n_kv_heads: c.n_kv_heads,
                head_dim4: c.head_dim / 4,
                q_stride4: layer.qkv.n / 4,
                window: layer_config.window.unwrap_or(0),
                groups,
                softcap: c.attn_logit_softcap.unwrap_or(0.0),
                rows: self.rows,
                ahead: 0,
            },
            attention::Bind { batch: s.batch, qkv: s.qkv, k_cache, v_cache, out: s.attn },
            grid,
        )
    }

    /// x += norm?( W_down ( act(W_gate norm(x)) * W_up norm(x) ) )
    fn feed_forward(&mut self, layer: &Layer) -> Result<()> {
        let (m, s) = (self.model, &self.model.scratch);
        if self.shape.is_fused() && layer.gate_up.parts.len() == 1 {
            self.normed_product(&layer.gate_up, layer.ffn_norm, Fused { glu: true, ..Fused::default() }, s.ffn)?;
        } else {
            self.normed_product(&layer.gate_up, layer.ffn_norm, Fused::default(), s.gate_up)?;
            let n4 = m.config.n_ff / 4;
            let op = match m.config.activation {
                Activation::Silu => Op::SiluGlu,
                Activation::GeluTanh => Op::GeluGlu,
            };
            let (bind, grid) = (map::Bind { x: s.gate_up, out: s.ffn }, [n4.div_ceil(map::THREADS), self.rows]);
            self.recording.push(map::Variant { op }, map::Params { n4 }, bind, grid)?;
        }
        self.residual(&layer.down, s.ffn, layer.post_ffw_norm)
    }

    fn is_gelu(&self) -> u32 {
        (self.model.config.activation == Activation::GeluTanh) as u32
    }

    /// logits[i] = W_output norm(x[outputs[i]])
    fn logits(&mut self, outputs: u32) -> Result<()> {
        let (m, s) = (self.model, &self.model.scratch);
        // Each of a vocabulary's many workgroups would sum it anew.
        self.settle()?;
        if outputs == 1 {
            // However the row came about: a prompt's last row is one row.
            let fused = Fused { norm: Some(m.weights.output_norm), gather: true, ..Fused::default() };
            return self.matvec(&m.weights.output, self.x, fused, s.logits, 1);
        }
        let gather = rmsnorm::Params { gather: 1, ..Default::default() };
        self.norm(self.x, m.weights.output_norm, s.x_out, gather, outputs)?;
        self.matmul(&m.weights.output, s.x_out, Fused::default(), s.logits, outputs)
    }

    /// x += W y, or x += norm(W y) in models with a norm behind the projection.
    fn residual(&mut self, matrix: &Matrix, y: BufferId, post_norm: Option<BufferId>) -> Result<()> {
        let s = &self.model.scratch;
        match post_norm {
            None => self.product(matrix, y, Fused { add: true, ..Fused::default() }, self.x),
            Some(_) => {
                self.product(matrix, y, Fused::default(), s.x_norm)?;
                self.post = post_norm;
                if self.shape.is_fused() && s.x_turn.is_some() { Ok(()) } else { self.settle() }
            }
        }
    }

    /// Adds the norm that is still to be added to the stream, if there is one.
    fn settle(&mut self) -> Result<()> {
        let Some(weight) = self.post.take() else { return Ok(()) };
        let add = rmsnorm::Params { accumulate: 1, ..Default::default() };
        self.norm(self.model.scratch.x_norm, weight, self.x, add, self.rows)
    }

    /// RMSNorm of `rows` rows; `how` says whether they are gathered or added.
    fn norm(&mut self, x: BufferId, weight: BufferId, out: BufferId, how: rmsnorm::Params, rows: u32) -> Result<()> {
        let m = self.model;
        self.recording.push(
            m.choice.rmsnorm(),
            rmsnorm::Params { k4: m.config.n_embd / 4, eps: m.config.norm_eps, ..how },
            rmsnorm::Bind { x, weight, rows: m.scratch.outputs, out },
            [1, rows],
        )
    }
}
