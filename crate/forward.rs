//! The transformer, written down as dispatches: embed, then per layer attention and feed-forward, then logits.
//! Activations are f32, row-major, [rows of the batch][width].

use crate::config::{Activation, ModelConfig};
use crate::error::Result;
use crate::gguf::Header;
use crate::kv_cache::{KvCache, KvType};
use crate::memory::{BufferId, Memory};
use crate::params;
use crate::recording::Recording;
use crate::rope;
use crate::upload::Upload;
use crate::weights::{self, Layer, Matrix, Weights};

/// Which permutation of each kernel the adapter runs (see `shaders/permutations`).
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Reductions: `tree` or `subgroup`.
    pub reduce: &'static str,
    /// How threads of the matrix product come by activations: `direct`, or through `quad` or `octet` broadcasts; or
    /// `tile`, which stages them and the weights in shared memory.
    pub x: &'static str,
    /// How attention's threads work together: as `reduce`, or `quad`, which broadcasts queries too.
    pub lanes: &'static str,
    /// Whether attention in prefill takes many rows at a time, staged in shared memory.
    pub tile_attention: bool,
    /// How the cache's numbers are read and written: `pack16` or `f16` for the same f16 bytes, or `f32`.
    pub kv: &'static str,
}

impl Choice {
    /// The variant and the grid of a product of n rows of weights by `rows` rows of activations.
    fn matmul(&self, format: &str, n: u32, rows: u32) -> (String, [u32; 2]) {
        if self.x != "tile" {
            return (format!("matmul.{format}.{}", self.x), [n.div_ceil(256), rows.div_ceil(16)]);
        }
        // Both tiles compute the same; few rows would leave most of the larger one idle.
        let tile = if rows <= 32 { 32 } else { 64 };
        (format!("matmul_tile.{format}.rows{tile}"), [rows.div_ceil(tile), n.div_ceil(64)])
    }

    /// The variant of attention with `per_kv` query heads for each KV head, the workgroups per KV head, and those along
    /// the rows. Query heads are spread evenly over as few workgroups as hold them.
    fn attention(&self, per_kv: u32, head_dim: u32, rows: u32, prefill: bool) -> (String, u32, u32) {
        if !(self.tile_attention && prefill) {
            let groups = per_kv.div_ceil(4);
            return (format!("attention.{}.{}.qh{}", self.lanes, self.kv, per_kv.div_ceil(groups)), groups, rows);
        }
        // The largest head_dim of a variant, and the queries that it takes at a time.
        let (dim, queries) = match head_dim {
            ..=64 => (64, 64),
            65..=128 => (128, 64),
            _ => (256, 32),
        };
        let groups = per_kv.div_ceil(queries);
        let rows_each = queries / per_kv.div_ceil(groups);
        (format!("attention_tile.dim{dim}.{}", self.kv), groups, rows.div_ceil(rows_each))
    }
}

/// Sizes chosen at load.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Positions per sequence.
    pub context: u32,
    pub n_sequences: u32,
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
    weights: Weights,
    kv: KvCache,
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
    /// The residual stream [rows][n_embd], and its normalised copy.
    x: BufferId,
    x_norm: BufferId,
    /// [rows][(n_heads + 2 n_kv_heads) * head_dim]
    qkv: BufferId,
    /// [rows][n_heads * head_dim]
    attn: BufferId,
    /// [rows][2 n_ff], then [rows][n_ff]
    gate_up: BufferId,
    ffn: BufferId,
    /// [outputs][n_embd], then [outputs][n_vocab]
    x_out: BufferId,
    logits: BufferId,
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
        let kv = KvCache::new(&config, sizes.kv, sizes.context, sizes.n_sequences, memory)?;
        let (rows, outputs) = (sizes.max_rows as u64, sizes.max_outputs as u64);
        let heads = config.n_heads as u64 * config.head_dim as u64;
        let mut floats = |label: &str, rows: u64, width: u64| memory.alloc(label, rows * width * 4);
        let scratch = Scratch {
            batch: floats("batch", rows, 4)?,
            outputs: floats("outputs", outputs, 1)?,
            x: floats("x", rows, config.n_embd as u64)?,
            x_norm: floats("x_norm", rows, config.n_embd as u64)?,
            qkv: floats("qkv", rows, weights.layers[0].qkv.n as u64)?,
            attn: floats("attn", rows, heads)?,
            gate_up: floats("gate_up", rows, 2 * config.n_ff as u64)?,
            ffn: floats("ffn", rows, config.n_ff as u64)?,
            x_out: floats("x_out", outputs, config.n_embd as u64)?,
            logits: floats("logits", outputs, config.n_vocab as u64)?,
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
        Ok((Model { config, sizes, choice, weights, kv, scratch, rope_tables }, upload))
    }

    /// What can only be written once the file has been read: the RoPE tables.
    pub fn finish(&self, upload: &Upload, memory: &mut dyn Memory) {
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
    /// [outputs][n_vocab]
    pub fn logits_buffer(&self) -> BufferId {
        self.scratch.logits
    }

    /// The forward pass of `rows` rows of which `outputs` want logits. It depends on nothing else, so it can be
    /// prepared once for a shape and replayed with other tokens and positions.
    pub fn record(&self, rows: u32, outputs: u32, prefill: bool) -> Result<Recording> {
        let mut pass = Pass { model: self, rows, prefill, recording: Recording::default() };
        pass.embed()?;
        for index in 0..self.weights.layers.len() {
            pass.attention(index)?;
            pass.feed_forward(&self.weights.layers[index])?;
        }
        if outputs > 0 {
            pass.logits(outputs)?;
        }
        Ok(pass.recording)
    }
}

/// A recording being written for one batch shape.
struct Pass<'a> {
    model: &'a Model,
    rows: u32,
    prefill: bool,
    recording: Recording,
}

/// What a product does with its result.
#[derive(Clone, Copy, PartialEq)]
enum Store {
    Overwrite,
    /// Add to what is there: the residual connection.
    Add,
}

impl Pass<'_> {
    /// x = embed_scale * token_embd[token]
    fn embed(&mut self) -> Result<()> {
        let (m, s) = (self.model, &self.model.scratch);
        for part in &m.weights.token_embd.parts {
            let k_blocks = m.config.n_embd / 32;
            self.recording.push(
                &format!("embed.{}", format_name(part.kind)),
                params::Embed {
                    planes: part.planes,
                    k_blocks,
                    first_row: part.first_row,
                    n_rows: part.n_rows,
                    scale: m.config.embed_scale,
                },
                &[part.buffer, part.buffer, s.batch, s.x],
                [k_blocks.div_ceil(64), self.rows],
            )?;
        }
        Ok(())
    }

    /// x += norm?( W_o attention( rope(norm?(W_qkv norm(x))) ) )
    fn attention(&mut self, index: usize) -> Result<()> {
        let (m, s) = (self.model, &self.model.scratch);
        let (c, layer, layer_config) = (&m.config, &m.weights.layers[index], &m.config.layers[index]);
        let (k_cache, v_cache) = m.kv.layers[index];
        self.norm(s.x, layer.attn_norm, s.x_norm, Store::Overwrite)?;
        self.product(&layer.qkv, s.x_norm, layer.qkv_bias, s.qkv, Store::Overwrite, self.rows)?;

        let reduce = m.choice.reduce;
        let kv = m.choice.kv;
        let &(.., rope) = m
            .rope_tables
            .iter()
            .find(|t| (t.0, t.1) == (layer_config.rope_theta, layer_config.rope_scale))
            .expect("a table per layer kind");
        self.recording.push(
            &format!("rope_kv.{reduce}.{kv}"),
            params::RopeKv {
                n_heads: c.n_heads,
                n_kv_heads: c.n_kv_heads,
                head_dim: c.head_dim,
                rope_half: c.rope_dim / 2,
                neox: c.rope_neox as u32,
                has_norm: layer.q_norm.is_some() as u32,
                eps: c.norm_eps,
                attn_scale: c.attn_scale,
            },
            &[s.batch, layer.q_norm.unwrap_or(s.none), layer.k_norm.unwrap_or(s.none), rope, s.qkv, k_cache, v_cache],
            [c.n_heads + 2 * c.n_kv_heads, self.rows],
        )?;

        let per_kv = c.n_heads / c.n_kv_heads;
        let (variant, groups, grid_y) = m.choice.attention(per_kv, c.head_dim, self.rows, self.prefill);
        self.recording.push(
            &variant,
            params::Attention {
                n_heads: c.n_heads,
                n_kv_heads: c.n_kv_heads,
                head_dim4: c.head_dim / 4,
                q_stride4: layer.qkv.n / 4,
                window: layer_config.window.unwrap_or(0),
                groups,
                softcap: c.attn_logit_softcap.unwrap_or(0.0),
                rows: self.rows,
            },
            &[s.batch, s.qkv, k_cache, v_cache, s.attn],
            [c.n_kv_heads * groups, grid_y],
        )?;
        self.residual(&layer.attn_output, s.attn, layer.post_attention_norm)
    }

    /// x += norm?( W_down ( act(W_gate norm(x)) * W_up norm(x) ) )
    fn feed_forward(&mut self, layer: &Layer) -> Result<()> {
        let (m, s) = (self.model, &self.model.scratch);
        self.norm(s.x, layer.ffn_norm, s.x_norm, Store::Overwrite)?;
        self.product(&layer.gate_up, s.x_norm, None, s.gate_up, Store::Overwrite, self.rows)?;
        let f4 = m.config.n_ff / 4;
        let gelu = (m.config.activation == Activation::GeluTanh) as u32;
        self.recording.push(
            "glu",
            params::Glu { f4, gelu, pad: [0; 2] },
            &[s.gate_up, s.ffn],
            [f4.div_ceil(64), self.rows],
        )?;
        self.residual(&layer.down, s.ffn, layer.post_ffw_norm)
    }

    /// logits[i] = W_output norm(x[outputs[i]])
    fn logits(&mut self, outputs: u32) -> Result<()> {
        let (m, s) = (self.model, &self.model.scratch);
        let gather = params::RmsNorm { k4: m.config.n_embd / 4, eps: m.config.norm_eps, gather: 1, accumulate: 0 };
        self.recording.push(
            &format!("rmsnorm.{}", m.choice.reduce),
            gather,
            &[s.x, m.weights.output_norm, s.outputs, s.x_out],
            [1, outputs],
        )?;
        self.product(&m.weights.output, s.x_out, None, s.logits, Store::Overwrite, outputs)
    }

    /// x += W y, or x += norm(W y) in models with a norm behind the projection.
    fn residual(&mut self, matrix: &Matrix, y: BufferId, post_norm: Option<BufferId>) -> Result<()> {
        let s = &self.model.scratch;
        match post_norm {
            None => self.product(matrix, y, None, s.x, Store::Add, self.rows),
            Some(weight) => {
                self.product(matrix, y, None, s.x_norm, Store::Overwrite, self.rows)?;
                self.norm(s.x_norm, weight, s.x, Store::Add)
            }
        }
    }

    fn norm(&mut self, x: BufferId, weight: BufferId, out: BufferId, store: Store) -> Result<()> {
        let m = self.model;
        let params = params::RmsNorm {
            k4: m.config.n_embd / 4,
            eps: m.config.norm_eps,
            gather: 0,
            accumulate: (store == Store::Add) as u32,
        };
        self.recording.push(
            &format!("rmsnorm.{}", m.choice.reduce),
            params,
            &[x, weight, m.scratch.outputs, out],
            [1, self.rows],
        )
    }

    /// out = W x (+ bias), one dispatch a part.
    fn product(
        &mut self,
        matrix: &Matrix,
        x: BufferId,
        bias: Option<BufferId>,
        out: BufferId,
        store: Store,
        rows: u32,
    ) -> Result<()> {
        let choice = self.model.choice;
        for part in &matrix.parts {
            let params = params::MatMul {
                planes: part.planes,
                n: part.n_rows,
                k_blocks: matrix.k / 32,
                out_stride: matrix.n,
                column: part.first_row,
                has_bias: bias.is_some() as u32,
                accumulate: (store == Store::Add) as u32,
                m: rows,
                pad: 0,
            };
            let format = format_name(part.kind);
            let (variant, grid) = if self.prefill || rows > 4 {
                choice.matmul(&format, part.n_rows, rows)
            } else {
                (format!("matvec.{format}.{}", choice.reduce), [part.n_rows.div_ceil(16), rows])
            };
            self.recording.push(
                &variant,
                params,
                &[part.buffer, part.buffer, x, bias.unwrap_or(self.model.scratch.none), out],
                grid,
            )?;
        }
        Ok(())
    }
}

fn format_name(kind: crate::quant::TensorType) -> String {
    kind.name().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::find;

    const TILES: Choice = Choice { reduce: "tree", x: "tile", lanes: "tree", tile_attention: true, kv: "f16" };

    #[test]
    fn attention_has_a_workgroup_for_every_head_and_row() {
        for (per_kv, head_dim, prefill) in
            (1..=130).flat_map(|h| [4, 64, 68, 128, 132, 256].map(|d| [(h, d, true), (h, d, false)])).flatten()
        {
            let (variant, groups, grid_y) = TILES.attention(per_kv, head_dim, 200, prefill);
            assert!(find(&variant).is_some(), "{variant}");
            let heads = per_kv.div_ceil(groups);
            assert!((groups - 1) * heads < per_kv, "{per_kv} heads leave one of {groups} groups empty");
            // Queries of a workgroup, by the shader.
            let queries = match (prefill, head_dim) {
                (false, _) => heads,
                (true, ..=128) => 64,
                (true, _) => 32,
            };
            assert!(heads <= queries && grid_y * (queries / heads) >= 200, "{per_kv} heads of {head_dim}");
        }
    }

    #[test]
    fn products_have_a_tile_for_every_row() {
        for rows in [1, 5, 32, 33, 64, 65, 256] {
            let (variant, grid) = TILES.matmul("q4_0", 65, rows);
            assert!(find(&variant).is_some(), "{variant}");
            let tile: u32 = variant.rsplit("rows").next().unwrap().parse().unwrap();
            assert!(grid[0] * tile >= rows && (grid[0] - 1) * tile < rows && grid[1] == 2, "{variant}: {grid:?}");
        }
    }
}
