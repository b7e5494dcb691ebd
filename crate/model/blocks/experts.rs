//! A mixture of experts: a router's products, the experts that each row takes, and theirs.

use super::feed::{self, borrowed, curve};
use super::pass::{Due, Input, Mixture, Pass};
use super::product::{Fused, Gate};
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::kernels::table::{combine, group, matmul_experts, matvec_experts, route};
use crate::model::arena::Act;
use crate::model::filled::Filled;
use crate::model::place::{Matrix, MatrixId, Part, Tensors};
use crate::model::spec::{self, GateIn, Scored};

pub struct Experts {
    /// [experts][n_embd], and one more row for the gate of the shared one.
    router: MatrixId,
    /// [experts]
    router_bias: Option<BufferId>,
    /// [experts]
    choice_bias: Option<BufferId>,
    /// [experts]
    factors: Option<BufferId>,
    /// The inner width, filled up.
    n_ff: u32,
    /// Of each expert gate and up: [experts][2 * n_ff][n_embd]; or one after the other, [experts][n_ff][n_embd].
    up: Vec<MatrixId>,
    /// [experts][2 * n_ff]
    up_bias: Option<BufferId>,
    /// [experts][n_embd][n_ff]
    down: MatrixId,
    /// [experts][n_embd]
    down_bias: Option<BufferId>,
    shared: Option<feed::Dense>,
    sizes: Sizes,
    /// Its number among the mixtures that stay in the file.
    kept: Option<usize>,
}

/// Of a mixture.
#[derive(Clone, Copy)]
struct Sizes {
    /// All.
    experts: u32,
    /// Those in memory.
    slots: u32,
    /// Those of a row.
    used: u32,
}

/// Which experts the rows of a batch take.
struct Choices {
    /// [rows][used] (expert, weight)
    of_rows: Act,
    /// The same by expert, where there are so many rows that each expert is read once for all that take it.
    by_expert: Option<Groups>,
}

/// Choices sorted by expert, and cut into tiles.
struct Groups {
    /// [rows * used]
    order: Act,
    /// [tiles] (expert, first in order, count, 0)
    tiles: Act,
    /// Tiles that there is room for.
    count: u32,
}

/// What a mixture has made of its input: all but the sum.
pub struct Fed {
    choices: Choices,
    /// Before the last products of few rows: [rows * used][n_ff]; of many behind them: [rows * used][n_embd].
    given: Act,
    /// The shared expert's, and what it counts: [rows][1] (0, weight).
    shared: Option<(Act, Option<Act>)>,
}

/// Where a product by experts reads and writes.
#[derive(Clone, Copy)]
struct Rows {
    x: BufferId,
    out: BufferId,
    sizes: Sizes,
}

/// What a product by experts does besides multiplying.
#[derive(Clone, Copy, Default)]
struct Chosen {
    bias: Option<BufferId>,
    add: bool,
    norm: Option<BufferId>,
    gate: Option<Gate>,
    /// Each choice has a row of activations of its own; else those of a row share it.
    own_rows: bool,
    /// A row of results sums what its choices give.
    summed: bool,
    column: u32,
    /// Of a row of results.
    width: u32,
}

impl Experts {
    pub fn place(spec: &spec::Experts, stream: Filled, t: &mut Tensors) -> Result<Self> {
        let (count, each) = (spec.count, &spec.each);
        let mut routers = vec![("ffn_gate_inp.weight", count)];
        if spec.shared.as_ref().is_some_and(|shared| shared.gated) {
            routers.push(("ffn_gate_inp_shexp.weight", 1));
        }
        let inner = Filled::up(each.n_ff);
        let tensors: Vec<(String, u32)> = match each.gate {
            // Some files have the two in one.
            GateIn::Own if !t.has("ffn_gate_up_exps.weight") => {
                ["gate", "up"].map(|kind| (format!("ffn_{kind}_exps"), each.n_ff)).into()
            }
            GateIn::Own | GateIn::Up | GateIn::BehindUp => vec![("ffn_gate_up_exps".into(), 2 * each.n_ff)],
            GateIn::Nowhere => vec![("ffn_up_exps".into(), each.n_ff)],
        };
        let named = |part: &str| -> Vec<(String, u32)> {
            tensors.iter().map(|(name, n)| (format!("{name}.{part}"), *n)).collect()
        };
        let (matrices, biases) = (named("weight"), named("bias"));
        // Those that stay in the file are declared one after the other.
        let share = t.share(count);
        let down = t.experts(inner, &[("ffn_down_exps.weight", stream.length)], stream, share)?;
        let up = t.experts(stream, &borrowed(&matrices), inner, share)?;
        let up_bias = each.bias.then(|| t.expert_vectors(&borrowed(&biases), inner, share)).transpose()?;
        let down_biases = [("ffn_down_exps.bias", stream.length)];
        let down_bias = each.down_bias.then(|| t.expert_vectors(&down_biases, stream, share)).transpose()?;
        let kept = t.keep(share, [&up[..], &down].concat());
        Ok(Experts {
            router: t.stack(stream, &routers, None)?,
            router_bias: spec.router_bias.then(|| t.vector("ffn_gate_inp.bias", count)).transpose()?,
            choice_bias: spec.choice_bias.then(|| t.vector("exp_probs_b.bias", count)).transpose()?,
            factors: spec.factors.then(|| t.vector("ffn_down_exps.scale", count)).transpose()?,
            n_ff: inner.room,
            up,
            up_bias,
            down: down[0],
            down_bias,
            shared: spec
                .shared
                .as_ref()
                .map(|shared| feed::Dense::place(&shared.dense, stream, "_shexp", t))
                .transpose()?,
            sizes: Sizes { experts: count, slots: share.slots, used: spec.used },
            kept,
        })
    }
}

impl Pass<'_> {
    /// What each row's experts make of it.
    /// The router reads the first input, they the second.
    pub(super) fn experts(&mut self, spec: &spec::Experts, w: &Experts, [router, input]: [&Input; 2]) -> Result<Fed> {
        let Sizes { experts, used, .. } = w.sizes;
        let products = self.project(w.router, router, Fused { bias: w.router_bias, ..Fused::default() })?;
        let (groups, groups_used) = spec.groups.unwrap_or((1, 1));
        let choices = self.route(
            &products,
            [w.choice_bias, w.factors],
            route::Params {
                n: experts,
                stride: products.width,
                first: 0,
                used,
                scores: spec.scores as u32,
                normed: spec.normed as u32,
                has_bias: w.choice_bias.is_some() as u32,
                groups,
                groups_used,
                scale: spec.scale,
                has_factors: w.factors.is_some() as u32,
            },
        )?;
        let gate = route::Params {
            n: 1,
            stride: products.width,
            first: experts,
            used: 1,
            scores: Scored::Sigmoid as u32,
            groups: 1,
            groups_used: 1,
            scale: 1.0,
            ..Default::default()
        };
        let shared = match (&spec.shared, &w.shared) {
            (Some(spec), Some(w)) => {
                let gate = spec.gated.then(|| self.route(&products, [None; 2], gate)).transpose()?;
                Some((self.dense(&spec.dense, w, input)?, gate))
            }
            _ => None,
        };
        self.acts.free(products);
        let first = self.recording.dispatches.len();
        let by_expert = (!self.shape.is_fused()).then(|| self.group(&choices, w.sizes)).transpose()?;
        let choices = Choices { of_rows: choices, by_expert };
        let (pairs, width) = (self.shape.rows * used, self.at.net.stream().room);
        // Where experts come by turns, what the first have given has to stay where it is.
        let by_turns = choices.by_expert.is_some() && w.kept.is_some();
        let early = by_turns.then(|| self.acts.take(pairs, width)).transpose()?;
        let inner = self.inner(spec, w, input, &choices)?;
        let given = match choices.by_expert {
            Some(_) => {
                let each = early.map_or_else(|| self.acts.take(pairs, width), Ok)?;
                self.by_experts(w.down, &choices, Rows { x: inner.id, out: each.id, sizes: w.sizes }, self.last(w))?;
                self.acts.free(inner);
                each
            }
            None => inner,
        };
        if let Some(kept) = w.kept {
            let dispatches = first..self.recording.dispatches.len();
            self.mixtures.push(Mixture { kept, dispatches, choices: choices.of_rows.id, pairs });
        }
        Ok(Fed { choices, given, shared })
    }

    /// What the last products do besides multiplying.
    fn last(&self, w: &Experts) -> Chosen {
        Chosen { bias: w.down_bias, own_rows: true, width: self.at.net.stream().room, ..Chosen::default() }
    }

    /// A batch's choices, by expert.
    fn group(&mut self, choices: &Act, sizes: Sizes) -> Result<Groups> {
        let pairs = self.shape.rows * sizes.used;
        // Of each expert the last tile may have room.
        let count = pairs / group::TILE + pairs.min(sizes.slots);
        let (order, tiles) = (self.acts.take(pairs, 1)?, self.acts.take(count, 4)?);
        let params = group::Params { n: sizes.slots, pairs, tiles: count };
        let bind = group::Bind { choices: choices.id, order: order.id, tiles: tiles.id };
        self.recording.push(group::Variant {}, params, bind, [1, sizes.slots])?;
        Ok(Groups { order, tiles, count })
    }

    /// [rows][used] (expert, weight)
    fn route(&mut self, products: &Act, of: [Option<BufferId>; 2], params: route::Params) -> Result<Act> {
        let rows = self.shape.rows;
        let choices = self.acts.take(rows, 2 * params.used)?;
        let [bias, factors] = of.map(|buffer| buffer.unwrap_or(self.at.ends.none));
        let bind = route::Bind { z: products.id, bias, factors, choices: choices.id };
        self.recording.push(route::Variant {}, params, bind, [1, rows])?;
        Ok(choices)
    }

    /// act(W_gate x) * W_up x of each row's experts: [rows * used][n_ff]
    fn inner(&mut self, spec: &spec::Experts, w: &Experts, input: &Input, choices: &Choices) -> Result<Act> {
        let rows = self.shape.rows * w.sizes.used;
        let (x, norm) = match input {
            Input::Normed(act) => (act.id, None),
            Input::Stream { norm } => (self.stream.at.id, *norm),
        };
        let gated = spec.each.gate != GateIn::Nowhere;
        let (gate, ..) = curve(spec.each.activation);
        let fused = self.shape.is_fused() && w.up_bias.is_none() && gated && gate.is_some();
        if let (&[up], true) = (&w.up[..], fused) {
            let out = self.acts.take(rows, w.n_ff)?;
            let chosen = Chosen { norm, gate, width: w.n_ff, ..Chosen::default() };
            self.by_experts(up, choices, Rows { x, out: out.id, sizes: w.sizes }, chosen)?;
            return Ok(out);
        }
        let width = if gated { 2 * w.n_ff } else { w.n_ff };
        let up = self.acts.take(rows, width)?;
        let mut column = 0;
        for &matrix in &w.up {
            let chosen = Chosen { bias: w.up_bias, norm, column, width, ..Chosen::default() };
            self.by_experts(matrix, choices, Rows { x, out: up.id, sizes: w.sizes }, chosen)?;
            column += self.at.weights[matrix].n / w.sizes.slots;
        }
        self.activate(&spec.each, up, rows, w.n_ff)
    }

    /// x += the sum of the experts' last products, each times its weight, and the shared one's; or the norm of all that.
    pub(super) fn add_experts(&mut self, w: &Experts, fed: Fed, post_norm: Option<BufferId>) -> Result<()> {
        // Only one sum is due at a time.
        self.settle()?;
        let room = self.at.net.stream().room;
        let sum = post_norm.map(|_| self.acts.take(self.shape.rows, room)).transpose()?;
        let out = sum.as_ref().map_or(self.stream.at.id, |sum| sum.id);
        self.sum_experts(w, fed, (out, sum.is_none()))?;
        let Some((sum, weight)) = sum.zip(post_norm) else { return Ok(()) };
        self.leave_due(Due { sum, weight })
    }

    /// What the experts give, each times its weight, and the shared one, summed; added to what is there with `add`.
    pub(super) fn sum_experts(&mut self, w: &Experts, fed: Fed, (out, add): (BufferId, bool)) -> Result<()> {
        let Fed { choices, given, shared } = fed;
        if choices.by_expert.is_some() {
            self.combine(&choices.of_rows, w.sizes.used, given, (out, add))?;
        } else {
            let chosen = Chosen { add, summed: true, ..self.last(w) };
            self.by_experts(w.down, &choices, Rows { x: given.id, out, sizes: w.sizes }, chosen)?;
            self.acts.free(given);
        }
        self.free_choices(choices);
        match (shared, &w.shared) {
            (Some((inner, gate)), Some(w)) => self.add_shared(w, inner, gate, out),
            _ => Ok(()),
        }
    }

    /// out += what the shared expert gives, times what its gate says, if it has one.
    fn add_shared(&mut self, w: &feed::Dense, inner: Act, gate: Option<Act>, out: BufferId) -> Result<()> {
        let Some(gate) = gate else { return self.add_product(w.down, w.down_bias, inner, out) };
        let input = Input::Normed(inner);
        let y = self.project(w.down, &input, Fused { bias: w.down_bias, ..Fused::default() })?;
        self.release(input);
        self.combine(&gate, 1, y, (out, true))?;
        self.acts.free(gate);
        Ok(())
    }

    /// out = the sum of each row's choices of y, times their weights, or added to it.
    fn combine(&mut self, choices: &Act, used: u32, y: Act, (out, add): (BufferId, bool)) -> Result<()> {
        let params = combine::Params { k4: y.width / 4, used, accumulate: add as u32 };
        let bind = combine::Bind { choices: choices.id, y: y.id, out };
        let grid = [params.k4.div_ceil(combine::THREADS), self.shape.rows];
        self.recording.push(combine::Variant {}, params, bind, grid)?;
        self.acts.free(y);
        Ok(())
    }

    fn free_choices(&mut self, choices: Choices) {
        self.acts.free(choices.of_rows);
        if let Some(Groups { order, tiles, .. }) = choices.by_expert {
            self.acts.free(order);
            self.acts.free(tiles);
        }
    }

    /// Products by the experts that were chosen, one dispatch a part: a row of results for each choice, or summed.
    fn by_experts(&mut self, matrix: MatrixId, choices: &Choices, rows: Rows, chosen: Chosen) -> Result<()> {
        let matrix = &self.at.weights[matrix];
        for (index, part) in matrix.parts.iter().enumerate() {
            match &choices.by_expert {
                Some(groups) => self.part_of_many(matrix, part, groups, rows, chosen)?,
                None => {
                    // Parts after the first add to what it left.
                    let chosen = Chosen { add: chosen.add || chosen.summed && index > 0, ..chosen };
                    self.part_of_few(matrix, part, &choices.of_rows, rows, chosen)?;
                }
            }
        }
        Ok(())
    }

    fn part_of_few(&mut self, matrix: &Matrix, part: &Part, choices: &Act, rows: Rows, chosen: Chosen) -> Result<()> {
        let Rows { x, out, sizes } = rows;
        let n = matrix.n / sizes.slots;
        let (long, rows) = match chosen.summed {
            true => (matrix.k * sizes.used, self.shape.rows),
            false => (matrix.k, self.shape.rows * sizes.used),
        };
        let lanes = if long >= 2048 { 64 } else { 16 };
        let params = matvec_experts::Params {
            planes: part.planes,
            n,
            k_blocks: matrix.k / 32,
            out_stride: chosen.width,
            column: chosen.column,
            first_expert: part.first_row / n,
            n_experts: part.n_rows / n,
            used: sizes.used,
            summed: chosen.summed as u32,
            has_bias: chosen.bias.is_some() as u32,
            accumulate: chosen.add as u32,
            has_norm: chosen.norm.is_some() as u32,
            eps: self.at.net.rms_eps(),
            glu: chosen.gate.map_or(0, |gate| gate as u32),
            lanes,
        };
        let [bias, norm] = [chosen.bias, chosen.norm].map(|buffer| buffer.unwrap_or(self.at.ends.none));
        let bind = matvec_experts::Bind { weights: part.buffer, x, bias, norm, choices: choices.id, out };
        let variant = matvec_experts::Variant { format: part.kind, reduce: self.at.choice.rmsnorm().reduce };
        self.recording.push(variant, params, bind, [n.div_ceil(4 * matvec_experts::THREADS / lanes), rows])
    }

    fn part_of_many(
        &mut self,
        matrix: &Matrix,
        part: &Part,
        groups: &Groups,
        rows: Rows,
        chosen: Chosen,
    ) -> Result<()> {
        let Rows { x, out, sizes } = rows;
        let n = matrix.n / sizes.slots;
        let params = matmul_experts::Params {
            planes: part.planes,
            n,
            k_blocks: matrix.k / 32,
            out_stride: chosen.width,
            column: chosen.column,
            first_expert: part.first_row / n,
            n_experts: part.n_rows / n,
            each: if chosen.own_rows { 1 } else { sizes.used },
            has_bias: chosen.bias.is_some() as u32,
            pairs: self.shape.rows * sizes.used,
            tiles: groups.count,
        };
        let bias = chosen.bias.unwrap_or(self.at.ends.none);
        let (order, tiles) = (groups.order.id, groups.tiles.id);
        let bind = matmul_experts::Bind { weights: part.buffer, x, bias, order, tiles, out };
        self.recording.push(matmul_experts::Variant { format: part.kind }, params, bind, [groups.count, n.div_ceil(64)])
    }
}
