//! Matrix products as dispatches: by which kernel, with what is fused with them.

use super::Output;
use super::adapt::Beside;
use super::norm::{How, Norm};
use super::pass::{Due, Input, Pass, Places, Shape};
use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::recording::Recording;
use crate::kernels::choose::{Product, Way};
use crate::kernels::table::choices::Planes;
use crate::kernels::table::{matmul, matvec, matvec_post, quantize};
use crate::model::adapter::Spot;
use crate::model::arena::{Act, Acts};
use crate::model::place::{Matrix, MatrixId, Part};

/// Words of a block of 32 activations in two planes of bytes, and their scale.
const INTEGER_WORDS: u32 = 20;

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
    /// The first half of the results, through this, gate the second.
    pub gate: Option<Gate>,
}

/// As the kernels number them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    Silu = 1,
    Gelu = 2,
}

/// Where a product reads and writes.
#[derive(Clone, Copy)]
struct Rows {
    x: BufferId,
    out: BufferId,
    count: u32,
}

/// A norm of a sum that a product adds to its input first, and where it leaves that.
struct Post {
    due: Due,
    next: Act,
}

impl Pass<'_> {
    /// W input + b: [rows][n], or half that with a gate. In a fused pass one dispatch a part, which adds what is due to
    /// the stream.
    pub(super) fn project(&mut self, id: MatrixId, input: &Input, fused: Fused) -> Result<Act> {
        let count = self.shape.rows;
        let matrix = &self.at.weights[id];
        let out = self.acts.take(count, if fused.gate.is_some() { matrix.n / 2 } else { matrix.n })?;
        match input {
            Input::Normed(act) => self.product(matrix, fused, Rows { x: act.id, out: out.id, count })?,
            Input::Stream { .. } if !self.shape.is_fused() => {
                self.matmul(matrix, fused, Rows { x: self.stream.at.id, out: out.id, count })?;
            }
            Input::Stream { norm } => {
                // The kernels that add a norm first have no binding left for a bias.
                if fused.bias.is_some() {
                    self.settle()?;
                }
                let rows = Rows { x: self.stream.at.id, out: out.id, count };
                let fused = Fused { norm: *norm, ..fused };
                match self.stream.due.take() {
                    None => self.matvec(matrix, fused, rows, None)?,
                    Some(due) => {
                        let post = Post { due, next: self.acts.take(count, self.at.net.stream().room)? };
                        self.matvec(matrix, fused, rows, Some(&post))?;
                        let before = std::mem::replace(&mut self.stream.at, post.next);
                        self.acts.free(before);
                        self.acts.free(post.due.sum);
                    }
                }
            }
        }
        let x = match input {
            Input::Normed(act) => act.id,
            Input::Stream { .. } => self.stream.at.id,
        };
        self.adapt_product(id, Rows { x, out: out.id, count })?;
        Ok(out)
    }

    /// What adapters add to a product.
    fn adapt_product(&mut self, id: MatrixId, Rows { x, out, count: rows }: Rows) -> Result<()> {
        let Matrix { k, n, .. } = self.at.weights[id];
        self.adapt(Spot::Matrix(id), Beside { x, out, k, n, rows, gather: false })
    }

    /// x += W y + b, or x += norm(W y + b) where there is a norm behind the projection: that may become due.
    pub(super) fn add(
        &mut self,
        id: MatrixId,
        bias: Option<BufferId>,
        y: Act,
        post_norm: Option<BufferId>,
    ) -> Result<()> {
        // Only one sum is due at a time.
        self.settle()?;
        let Some(weight) = post_norm else { return self.add_product(id, bias, y, self.stream.at.id) };
        let sum = self.acts.take(self.shape.rows, self.at.net.stream().room)?;
        let rows = Rows { x: y.id, out: sum.id, count: self.shape.rows };
        self.product(&self.at.weights[id], Fused { bias, ..Fused::default() }, rows)?;
        self.adapt_product(id, rows)?;
        self.acts.free(y);
        self.leave_due(Due { sum, weight })
    }

    /// What is due to the stream, whose norm the next product may add.
    pub(super) fn leave_due(&mut self, due: Due) -> Result<()> {
        self.stream.due = Some(due);
        // Kernels that add it take each row by itself.
        if self.shape.is_fused() && self.at.choice.post && self.shape.rows == 1 { Ok(()) } else { self.settle() }
    }

    /// out += W y + b
    pub(super) fn add_product(&mut self, id: MatrixId, bias: Option<BufferId>, y: Act, out: BufferId) -> Result<()> {
        let rows = Rows { x: y.id, out, count: self.shape.rows };
        self.product(&self.at.weights[id], Fused { bias, add: true, ..Fused::default() }, rows)?;
        self.adapt_product(id, rows)?;
        self.acts.free(y);
        Ok(())
    }

    /// logits[i] = W norm(x[outputs[i]]) + b, if any are wanted, or the normed rows where there is no W. Where all rows want
    /// logits nobody need say which.
    pub fn logits(&mut self, norm: Norm, output: Option<Output>) -> Result<()> {
        if self.shape.outputs == 0 {
            return Ok(());
        }
        // Each of a vocabulary's many workgroups would add it anew.
        self.settle()?;
        let (x, logits, count) = (self.stream.at.id, self.at.ends.logits, self.shape.outputs);
        let gather = count != self.shape.rows;
        let Some(Output { matrix, bias }) = output else {
            return self.norm(x, norm, logits, How { gather, ..How::default() }, count);
        };
        let matrix = &self.at.weights[matrix];
        // A prompt's rows get one kernel's sums, however they are cut; but its last row is one row, however it came about.
        let few = count == 1 || self.at.choice.few && self.shape.is_fused();
        if let (true, Norm { weight, bias: None }, false) = (few, norm, self.is_adapted(Spot::Head)) {
            let fused = Fused { bias, norm: Some(weight), gather, ..Fused::default() };
            return self.matvec(matrix, fused, Rows { x, out: logits, count }, None);
        }
        let normed = self.acts.take(count, self.at.net.stream().room)?;
        self.norm(x, norm, normed.id, How { gather, ..How::default() }, count)?;
        let (fused, rows) = (Fused { bias, ..Fused::default() }, Rows { x: normed.id, out: logits, count });
        match few {
            true => self.matvec(matrix, fused, rows, None)?,
            false => self.matmul(matrix, fused, rows)?,
        }
        let Matrix { k, n, .. } = *matrix;
        self.adapt(Spot::Head, Beside { x: normed.id, out: logits, k, n, rows: count, gather })?;
        self.acts.free(normed);
        Ok(())
    }

    /// logits = W x + b of one row, and where that row is to be written: [n_embd], filled up.
    pub fn words(at: Places, mut acts: Acts, Output { matrix, bias }: Output) -> Result<(BufferId, Recording)> {
        let x = acts.take(1, at.net.stream().room)?;
        let rows = Rows { x: x.id, out: at.ends.logits, count: 1 };
        let mut pass = Pass::new(at, Shape::decode(0), x, acts);
        pass.matvec(&at.weights[matrix], Fused { bias, ..Fused::default() }, rows, None)?;
        Ok((rows.x, pass.finish()?.recording))
    }

    fn product(&mut self, matrix: &Matrix, fused: Fused, rows: Rows) -> Result<()> {
        if self.shape.is_fused() {
            return self.matvec(matrix, fused, rows, None);
        }
        self.matmul(matrix, fused, rows)
    }

    fn way(&self, product: &Product) -> Way {
        self.at.tuning.way(product, self.at.choice)
    }

    /// Notes that the dispatch which is recorded next belongs to a product.
    fn note(&mut self, product: Product) {
        self.products.push((product, self.recording.dispatches.len()));
    }

    /// out = W x by the matrix-vector kernel, one dispatch a part; after the first the stream is at `post.next`.
    fn matvec(&mut self, matrix: &Matrix, fused: Fused, rows: Rows, post: Option<&Post>) -> Result<()> {
        let ends = self.at.ends;
        let (mut x, mut posts) = (rows.x, post);
        for part in &matrix.parts {
            // After the first part the sum is there for the others.
            let post = posts.take();
            let product = Product {
                kind: part.kind,
                n: part.n_rows,
                k: matrix.k,
                rows: rows.count,
                fused: true,
                post: post.is_some(),
            };
            let way = self.way(&product);
            self.note(product);
            let params = matvec::Params {
                planes: part.planes,
                n: part.n_rows,
                k_blocks: matrix.k / 32,
                out_stride: if fused.gate.is_some() { matrix.n / 2 } else { matrix.n },
                column: part.first_row,
                has_bias: fused.bias.is_some() as u32,
                accumulate: fused.add as u32,
                gather: fused.gather as u32,
                has_norm: fused.norm.is_some() as u32,
                eps: self.at.net.rms_eps(),
                glu: fused.gate.map_or(0, |gate| gate as u32),
                lanes: way.lanes(),
                scale: self.at.weights.scale(part),
                m: rows.count,
            };
            let (weights, norm, out) = (part.buffer, fused.norm.unwrap_or(ends.none), rows.out);
            let grid = way.grid(&product);
            if let Some(Post { due, next }) = post {
                let (p, x_next) = (due.sum.id, next.id);
                let bind = matvec_post::Bind { weights, x, p, norm, post: due.weight, out, x_next };
                self.recording.push(found(way.post(part.kind), &product)?, params, bind, grid)?;
                x = x_next;
            } else {
                let bias = fused.bias.unwrap_or(ends.none);
                let bind = matvec::Bind { weights, x, bias, norm, rows: ends.outputs, out };
                self.recording.push(found(way.single(&product), &product)?, params, bind, grid)?;
            }
        }
        Ok(())
    }

    /// out = W x by a matrix-matrix kernel, one dispatch a part, and one before them where they multiply integers.
    fn matmul(&mut self, matrix: &Matrix, fused: Fused, rows: Rows) -> Result<()> {
        let product = |part: &Part| Product {
            kind: part.kind,
            n: part.n_rows,
            k: matrix.k,
            rows: rows.count,
            fused: false,
            post: false,
        };
        // Taken whether or not they are: which way is fastest may be learnt later.
        let integers = match self.at.choice.planes.is_some() && matrix.parts.iter().any(|part| part.kind.is_quantized())
        {
            true => Some(self.acts.take(rows.count, matrix.k / 32 * INTEGER_WORDS)?),
            false => None,
        };
        // Parts of several types may want other integers, or none; which comes first is all one.
        for planes in 0..=2 {
            let parts = matrix.parts.iter().map(|part| (part, product(part), self.way(&product(part))));
            let parts: Vec<_> = parts.filter(|(_, _, way)| way.planes() == planes).collect();
            let mut rows = rows;
            if planes > 0 && !parts.is_empty() {
                let Some(integers) = &integers else {
                    bail!(Internal, "There is no room for integer products, but they were chosen.");
                };
                parts.iter().for_each(|(_, product, _)| self.note(*product));
                self.quantize(rows.x, integers.id, matrix.k, planes, rows.count)?;
                rows.x = integers.id;
            }
            for (part, product, way) in parts {
                self.note(product);
                self.matmul_part(matrix, part, way, fused, rows, &product)?;
            }
        }
        integers.into_iter().for_each(|act| self.acts.free(act));
        Ok(())
    }

    /// Rows of x as integers of so many planes.
    fn quantize(&mut self, x: BufferId, out: BufferId, k: u32, planes: u32, rows: u32) -> Result<()> {
        let Some(planes) = Planes::of(planes) else { bail!(Internal, "There are no activations in {planes} planes.") };
        let grid = [(k / 32).div_ceil(quantize::THREADS), rows];
        let params = quantize::Params { k_blocks: k / 32 };
        self.recording.push(quantize::Variant { planes }, params, quantize::Bind { x, out }, grid)
    }

    fn matmul_part(
        &mut self,
        matrix: &Matrix,
        part: &Part,
        way: Way,
        fused: Fused,
        rows: Rows,
        product: &Product,
    ) -> Result<()> {
        let params = matmul::Params {
            planes: part.planes,
            n: part.n_rows,
            k_blocks: matrix.k / 32,
            out_stride: matrix.n,
            column: part.first_row,
            has_bias: fused.bias.is_some() as u32,
            accumulate: fused.add as u32,
            m: rows.count,
            scale: self.at.weights.scale(part),
        };
        let bias = fused.bias.unwrap_or(self.at.ends.none);
        let bind = matmul::Bind { weights: part.buffer, x: rows.x, bias, out: rows.out };
        self.recording.push(found(way.many(part.kind), product)?, params, bind, way.grid(product))
    }
}

/// The variant, which every way that can be chosen has.
fn found<T>(variant: Option<T>, product: &Product) -> Result<T> {
    match variant {
        Some(variant) => Ok(variant),
        None => bail!(Internal, "A kernel was chosen that has no variant for {product:?}."),
    }
}
