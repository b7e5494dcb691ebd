//! Matrix products as dispatches: by which kernel, with what is fused with them.

use super::Pass;
use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::kernels::choose::{Product, Way};
use crate::kernels::params;
use crate::model::weights::{Matrix, Part};

/// What a product does besides multiplying.
#[derive(Clone, Copy, Default)]
pub struct Fused {
    pub bias: Option<BufferId>,
    /// Add to what is there: the residual connection.
    pub add: bool,
    /// RMSNorm of the input, by this weight.
    pub norm: Option<BufferId>,
    /// Read the rows of the input that want logits.
    pub gather: bool,
    /// The first half of the results gate the second.
    pub glu: bool,
    /// Add a norm of `x_norm` to the input first.
    pub post: Option<Post>,
}

#[derive(Clone, Copy)]
pub struct Post {
    weight: BufferId,
    /// Where the sum goes.
    x_next: BufferId,
}

impl Pass<'_> {
    /// out = W norm(x): in one dispatch where products are fused.
    pub(super) fn normed_product(
        &mut self,
        matrix: &Matrix,
        weight: BufferId,
        fused: Fused,
        out: BufferId,
    ) -> Result<()> {
        let s = &self.model.scratch;
        if self.shape.is_fused() {
            // The kernels that add a norm first have no binding left for a bias.
            if fused.bias.is_some() {
                self.settle()?;
            }
            let x = self.x;
            let post = self.post.take().zip(s.x_turn).map(|(weight, turn)| {
                self.x = if x == s.x { turn } else { s.x };
                Post { weight, x_next: self.x }
            });
            return self.product(matrix, x, Fused { norm: Some(weight), post, ..fused }, out);
        }
        self.norm(self.x, weight, s.x_norm, params::RmsNorm::default(), self.rows)?;
        self.product(matrix, s.x_norm, fused, out)
    }

    pub(super) fn product(&mut self, matrix: &Matrix, x: BufferId, fused: Fused, out: BufferId) -> Result<()> {
        if self.shape.is_fused() {
            return self.matvec(matrix, x, fused, out, self.rows);
        }
        self.matmul(matrix, x, fused, out, self.rows)
    }

    fn way(&self, product: &Product) -> Way {
        self.model.tuning.way(product, &self.model.choice)
    }

    /// Notes that the dispatch which is recorded next belongs to a product.
    fn note(&mut self, product: Product) {
        self.products.push((product, self.recording.dispatches.len()));
    }

    /// out = W x by the matrix-vector kernel, one dispatch a part.
    pub(super) fn matvec(
        &mut self,
        matrix: &Matrix,
        x: BufferId,
        fused: Fused,
        out: BufferId,
        rows: u32,
    ) -> Result<()> {
        let (m, s) = (self.model, &self.model.scratch);
        let (mut x, mut posts) = (x, fused.post);
        for part in &matrix.parts {
            // After the first part the sum is there for the others.
            let post = posts.take();
            let product =
                Product { kind: part.kind, n: part.n_rows, k: matrix.k, rows, fused: true, post: post.is_some() };
            let way = self.way(&product);
            self.note(product);
            let params = params::MatVec {
                planes: part.planes,
                n: part.n_rows,
                k_blocks: matrix.k / 32,
                out_stride: if fused.glu { matrix.n / 2 } else { matrix.n },
                column: part.first_row,
                has_bias: fused.bias.is_some() as u32,
                accumulate: fused.add as u32,
                gather: fused.gather as u32,
                has_norm: fused.norm.is_some() as u32,
                eps: m.config.norm_eps,
                glu: if fused.glu { 1 + self.is_gelu() } else { 0 },
                lanes: way.lanes,
                pad: 0,
            };
            let (weights, norm) = (part.buffer, fused.norm.unwrap_or(s.none));
            let (variant, grid) = (way.variant(&product), way.grid(part.n_rows, rows));
            if let Some(post) = post {
                let buffers = [weights, weights, x, s.x_norm, norm, post.weight, out, post.x_next];
                self.recording.push(&variant, params, &buffers, grid)?;
                x = post.x_next;
            } else {
                let buffers = [weights, weights, x, fused.bias.unwrap_or(s.none), norm, s.outputs, out];
                self.recording.push(&variant, params, &buffers, grid)?;
            }
        }
        Ok(())
    }

    /// out = W x by a matrix-matrix kernel, one dispatch a part, and one before them where they multiply integers.
    pub(super) fn matmul(
        &mut self,
        matrix: &Matrix,
        x: BufferId,
        fused: Fused,
        out: BufferId,
        rows: u32,
    ) -> Result<()> {
        let product =
            |part: &Part| Product { kind: part.kind, n: part.n_rows, k: matrix.k, rows, fused: false, post: false };
        // Parts of several types may want other integers, or none; which comes first is all one.
        for planes in 0..=2 {
            let parts = matrix.parts.iter().map(|part| (part, product(part), self.way(&product(part))));
            let parts: Vec<_> = parts.filter(|(_, _, way)| way.planes == planes).collect();
            let mut x = x;
            if planes > 0 && !parts.is_empty() {
                parts.iter().for_each(|(_, product, _)| self.note(*product));
                x = self.integers(x, matrix.k, planes, rows)?;
            }
            for (part, product, way) in parts {
                self.note(product);
                self.matmul_part(matrix, part, way, x, fused, out, product)?;
            }
        }
        Ok(())
    }

    /// Rows of x as integers of so many planes.
    fn integers(&mut self, x: BufferId, k: u32, planes: u32, rows: u32) -> Result<BufferId> {
        let Some(out) = self.model.scratch.integers else {
            bail!(Internal, "There is no room for integer products, but they were chosen.");
        };
        let params = params::Quantize { k_blocks: k / 32, pad: [0; 3] };
        self.recording.push(&format!("quantize.planes{planes}"), params, &[x, out], [(k / 32).div_ceil(64), rows])?;
        Ok(out)
    }

    #[allow(clippy::too_many_arguments)]
    fn matmul_part(
        &mut self,
        matrix: &Matrix,
        part: &Part,
        way: Way,
        x: BufferId,
        fused: Fused,
        out: BufferId,
        product: Product,
    ) -> Result<()> {
        let params = params::MatMul {
            planes: part.planes,
            n: part.n_rows,
            k_blocks: matrix.k / 32,
            out_stride: matrix.n,
            column: part.first_row,
            has_bias: fused.bias.is_some() as u32,
            accumulate: fused.add as u32,
            m: product.rows,
            pad: 0,
        };
        self.recording.push(
            &way.variant(&product),
            params,
            &[part.buffer, part.buffer, x, fused.bias.unwrap_or(self.model.scratch.none), out],
            way.grid(part.n_rows, product.rows),
        )
    }
}
