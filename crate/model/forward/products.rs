//! Matrix products as dispatches: by which kernel, with what is fused with them.

use super::Pass;
use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::kernels::choose::{Product, Way};
use crate::kernels::table::choices::Planes;
use crate::kernels::table::{matmul, matvec, matvec_post, quantize, rmsnorm};
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
        self.norm(self.x, weight, s.x_norm, rmsnorm::Params::default(), self.rows)?;
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
            let params = matvec::Params {
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
                lanes: way.lanes(),
            };
            let (weights, norm) = (part.buffer, fused.norm.unwrap_or(s.none));
            let grid = way.grid(part.n_rows, rows);
            if let Some(post) = post {
                let bind =
                    matvec_post::Bind { weights, x, p: s.x_norm, norm, post: post.weight, out, x_next: post.x_next };
                self.recording.push(found(way.post(part.kind), &product)?, params, bind, grid)?;
                x = post.x_next;
            } else {
                let bias = fused.bias.unwrap_or(s.none);
                let bind = matvec::Bind { weights, x, bias, norm, rows: s.outputs, out };
                self.recording.push(found(way.single(part.kind), &product)?, params, bind, grid)?;
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
            let parts: Vec<_> = parts.filter(|(_, _, way)| way.planes() == planes).collect();
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
        let Some(planes) = Planes::of(planes) else { bail!(Internal, "There are no activations in {planes} planes.") };
        let grid = [(k / 32).div_ceil(quantize::THREADS), rows];
        let params = quantize::Params { k_blocks: k / 32 };
        self.recording.push(quantize::Variant { planes }, params, quantize::Bind { x, out }, grid)?;
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
        let params = matmul::Params {
            planes: part.planes,
            n: part.n_rows,
            k_blocks: matrix.k / 32,
            out_stride: matrix.n,
            column: part.first_row,
            has_bias: fused.bias.is_some() as u32,
            accumulate: fused.add as u32,
            m: product.rows,
        };
        let bias = fused.bias.unwrap_or(self.model.scratch.none);
        let bind = matmul::Bind { weights: part.buffer, x, bias, out };
        let grid = way.grid(part.n_rows, product.rows);
        self.recording.push(found(way.many(part.kind), &product)?, params, bind, grid)
    }
}

/// The variant, which every way that can be chosen has.
fn found<T>(variant: Option<T>, product: &Product) -> Result<T> {
    match variant {
        Some(variant) => Ok(variant),
        None => bail!(Internal, "A kernel was chosen that has no variant for {product:?}."),
    }
}
