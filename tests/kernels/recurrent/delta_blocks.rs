//! Delta nets, in blocks of a prompt's rows.

use sotto::kernels::recurrent::NONE;
use sotto::kernels::table::choices::{Reduce, X};
use sotto::kernels::table::{delta, delta_blocks, delta_ready};

use super::{BATCHES, from_to};
use crate::F32;
use crate::case::{Case, Data, Runs, bits, close, floats};
use crate::host::mirror;
use crate::random::{Random, poison};

/// Rows of sequences, given as (state read, state written, rows); blocks that one fills, that several share, that one begins in.
const SHARED: &[(u32, u32, u32)] = &[(NONE, 1, 1), (2, 0, 40), (3, 4, 7)];

/// What a case is of: heads, those of keys, fours of each, how many share a key beside each other and how many a piece of decays
/// is of.
#[derive(Clone, Copy, Debug)]
struct Of {
    heads: u32,
    keys: u32,
    n4: u32,
    per_key: u32,
    per: u32,
}

const SHAPES: [Of; 6] = [
    Of { heads: 1, keys: 1, n4: 1, per_key: 1, per: 1 },
    Of { heads: 6, keys: 2, n4: 5, per_key: 1, per: 6 },
    Of { heads: 6, keys: 3, n4: 4, per_key: 2, per: 2 },
    Of { heads: 3, keys: 1, n4: 17, per_key: 1, per: 3 },
    Of { heads: 4, keys: 2, n4: 32, per_key: 2, per: 2 },
    Of { heads: 1, keys: 1, n4: 40, per_key: 1, per: 1 },
];

/// What stands before a state.
const BEFORE: u32 = 8;
const EPS: f32 = 0.5;

impl Of {
    /// Numbers of a row of q, k and v.
    fn stride(self) -> u32 {
        (2 * self.keys + self.heads) * 4 * self.n4 + 8
    }

    fn decay_stride(self) -> u32 {
        2 * self.heads + 3
    }

    fn kept(self) -> u32 {
        BEFORE + self.heads * 16 * self.n4 * self.n4 + 4
    }

    fn ready(self, rows: u32) -> delta_ready::Params {
        let Of { heads, keys, n4, per_key, per } = self;
        let (stride4, decay_stride) = (self.stride() / 4, self.decay_stride());
        delta_ready::Params { rows, heads, n4, keys, per_key, per, stride4, decay_stride, eps: EPS }
    }

    fn blocks(self, rows: u32, beside: u32) -> delta_blocks::Params {
        let Of { heads, keys, n4, per_key, .. } = self;
        let (stride4, state4) = (self.stride() / 4, self.kept() / 4);
        delta_blocks::Params { rows, heads, n4, keys, per_key, stride4, state4, first4: BEFORE / 4, beside }
    }

    fn grid(self, rows: u32) -> [u32; 2] {
        [self.heads, rows.div_ceil(delta_ready::BLOCK)]
    }
}

/// Mostly of one sign: what is left where sums cancel says nothing.
fn numbers(random: &mut Random, count: u32, scale: f32) -> Vec<u32> {
    bits(&random.floats(count as usize, 1.0).iter().map(|x| (x + 0.5) * scale).collect::<Vec<_>>())
}

/// Of each head bias, and a, which is below 0.
fn of_heads(random: &mut Random, heads: u32) -> Vec<u32> {
    let mut all = random.floats(2 * heads as usize, 1.0);
    all[heads as usize..].iter_mut().for_each(|a| *a = -0.1 - 0.5 * a.abs());
    bits(&all)
}

pub fn run(rig: &mut impl Runs) {
    let mut random = Random::new(67);
    for sequences in BATCHES.into_iter().chain([SHARED]) {
        for (of, beside) in SHAPES.into_iter().zip([8, 1, 2, 3, 1, 2]) {
            case(rig, &mut random, sequences, of, beside);
        }
    }
}

fn case(rig: &mut impl Runs, random: &mut Random, sequences: &[(u32, u32, u32)], of: Of, beside: u32) {
    let rows: u32 = sequences.iter().map(|(_, _, rows)| rows).sum();
    let what = format!("{sequences:?} of {of:?}");
    let pairs = 2 * rows * of.heads * delta_ready::BLOCK;
    rig.run(Case::new(
        delta_ready::Variant {},
        what.clone(),
        of.ready(rows),
        delta_ready::Bind {
            from_to: Data::In(from_to(sequences)),
            qkv: Data::In(numbers(random, rows * of.stride(), 1.0)),
            decays: Data::In(bits(&random.floats((rows * of.decay_stride()) as usize, 3.0))),
            heads: Data::In(of_heads(random, of.heads)),
            steps: Data::Out(poison((4 * rows * of.heads) as usize)),
            pairs: Data::Out(poison(pairs as usize)),
        },
        of.grid(rows),
        F32,
    ));
    for x in X::ALL {
        rig.run(Case::new(
            delta_blocks::Variant { x },
            what.clone(),
            of.blocks(rows, beside),
            delta_blocks::Bind {
                from_to: Data::In(from_to(sequences)),
                qkv: Data::In(numbers(random, rows * of.stride(), 1.0)),
                // Small enough that nothing grows from row to row.
                steps: Data::In(numbers(random, 4 * rows * of.heads, 0.03)),
                pairs: Data::In(numbers(random, pairs, 0.03)),
                states: Data::Out(bits(&random.floats((5 * of.kept()) as usize, 1.0))),
                out: Data::Out(poison((4 * rows * of.heads * of.n4) as usize)),
            },
            [of.heads * (4 * of.n4).div_ceil(delta_blocks::THREADS), beside],
            F32,
        ));
    }
}

/// The states and results that blocks give, and those of row after row, whose a is multiplied by this.
fn both(random: &mut Random, of: Of, forgets: f32) -> [[Vec<f32>; 2]; 2] {
    let rows: u32 = SHARED.iter().map(|(_, _, rows)| rows).sum();
    let (from_to, mut heads) = (from_to(SHARED), floats(&of_heads(random, of.heads)).to_vec());
    heads[of.heads as usize..].iter_mut().for_each(|a| *a *= forgets);
    let heads = bits(&heads);
    let qkv = bits(&random.floats((rows * of.stride()) as usize, 1.0));
    let decays = bits(&random.floats((rows * of.decay_stride()) as usize, 3.0));
    let states = bits(&random.floats((5 * of.kept()) as usize, 1.0));
    let nothing = |count: u32| vec![0; count as usize];
    let (ready, blocks) = (of.ready(rows), of.blocks(rows, 1));
    let out = nothing(4 * rows * of.heads * of.n4);
    let walk = delta::Params {
        rows,
        heads: of.heads,
        n4: of.n4,
        keys: of.keys,
        per_key: of.per_key,
        per: of.per,
        stride4: ready.stride4,
        decay_stride: ready.decay_stride,
        state4: blocks.state4,
        first4: blocks.first4,
        beside: 1,
        eps: EPS,
    };
    let bind =
        delta::Bind { from_to: &from_to[..], qkv: &qkv, decays: &decays, heads: &heads, states: &states, out: &out };
    let want = mirror(delta::Variant { reduce: Reduce::Tree }, walk, bind, [1, 1]);

    let (steps, pairs) = (nothing(4 * rows * of.heads), nothing(2 * rows * of.heads * delta_ready::BLOCK));
    let bind = delta_ready::Bind {
        from_to: &from_to[..],
        qkv: &qkv,
        decays: &decays,
        heads: &heads,
        steps: &steps,
        pairs: &pairs,
    };
    let said = mirror(delta_ready::Variant {}, ready, bind, of.grid(rows));
    let bind = delta_blocks::Bind {
        from_to: &from_to[..],
        qkv: &qkv,
        steps: &said.steps,
        pairs: &said.pairs,
        states: &states,
        out: &out,
    };
    let found = mirror(delta_blocks::Variant { x: X::Direct }, blocks, bind, [1, 1]);
    [[found.states, found.out], [want.states, want.out]].map(|two| two.map(|words| floats(&words).to_vec()))
}

#[test]
fn blocks_give_what_rows_after_rows_give() {
    let mut random = Random::new(68);
    for of in SHAPES {
        // Of a state that forgets nothing, some of it, and all of it in a row.
        for forgets in [0.0, 1.0, 200.0] {
            let [found, want] = both(&mut random, of, forgets);
            for (found, want) in found.iter().zip(want) {
                close(found, &want.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), 1e-4);
            }
        }
    }
}
