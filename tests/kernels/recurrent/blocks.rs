//! State spaces, in blocks of a prompt's rows.

use sotto::kernels::recurrent::NONE;
use sotto::kernels::table::{scan, scan_out, scan_ready, scan_states};

use super::{BATCHES, from_to};
use crate::F32;
use crate::case::{Case, Data, Runs, bits, close, floats};
use crate::host::mirror;
use crate::random::{Random, poison};

/// Rows of sequences, given as (state read, state written, rows); blocks that one fills, that several share, that one begins in.
const SHARED: &[(u32, u32, u32)] = &[(NONE, 1, 1), (2, 0, 40), (3, 4, 30)];

/// What a case is of: heads, groups, fours of x, fours of a state.
#[derive(Clone, Copy, Debug)]
struct Of {
    heads: u32,
    groups: u32,
    p4: u32,
    n4: u32,
}

const SHAPES: [Of; 5] = [
    Of { heads: 1, groups: 1, p4: 1, n4: 1 },
    Of { heads: 6, groups: 2, p4: 8, n4: 4 },
    Of { heads: 15, groups: 3, p4: 3, n4: 5 },
    Of { heads: 5, groups: 1, p4: 16, n4: 32 },
    Of { heads: 2, groups: 2, p4: 2, n4: 64 },
];

/// What stands before a state, and the numbers of one.
const BEFORE: u32 = 8;

impl Of {
    fn fours(self) -> u32 {
        self.heads * self.p4
    }

    /// Numbers of a row of x, b and c.
    fn stride(self) -> u32 {
        4 * self.fours() + 8 * self.groups * self.n4
    }

    fn kept(self) -> u32 {
        BEFORE + 16 * self.fours() * self.n4 + 4
    }

    /// Workgroups for 64 fours of each group.
    fn workgroups(self) -> u32 {
        self.groups * (self.fours() / self.groups).div_ceil(64)
    }

    fn ready(self) -> scan_ready::Params {
        let Of { heads, groups, p4, n4 } = self;
        scan_ready::Params { heads, groups, p4, n4, stride4: self.stride() / 4, dt_stride: heads + 3, first_dt: 2 }
    }

    fn states(self, rows: u32, beside: u32) -> scan_states::Params {
        let Of { heads, groups, p4, n4 } = self;
        let (stride4, state4) = (self.stride() / 4, self.kept() / 4);
        scan_states::Params { rows, heads, groups, p4, n4, stride4, state4, first4: BEFORE / 4, beside }
    }

    fn out(self, rows: u32) -> scan_out::Params {
        let Of { heads, groups, p4, n4 } = self;
        let (stride4, state4) = (self.stride() / 4, self.kept() / 4);
        scan_out::Params { rows, heads, groups, p4, n4, stride4, state4, first4: BEFORE / 4 }
    }
}

/// Mostly of one sign: what is left where sums cancel says nothing.
fn numbers(random: &mut Random, count: u32) -> Vec<u32> {
    bits(&random.floats(count as usize, 1.0).iter().map(|x| x + 0.5).collect::<Vec<_>>())
}

/// Of each head bias, a, which is below 0, and d.
fn of_heads(random: &mut Random, heads: u32) -> Vec<u32> {
    let mut all = random.floats(3 * heads as usize, 1.0);
    all[heads as usize..2 * heads as usize].iter_mut().for_each(|a| *a = -0.1 - 2.0 * a.abs());
    bits(&all)
}

pub fn run(rig: &mut impl Runs) {
    let mut random = Random::new(65);
    for sequences in BATCHES.into_iter().chain([SHARED]) {
        for (of, beside) in SHAPES.into_iter().zip([8, 1, 2, 3, 1]) {
            case(rig, &mut random, sequences, of, beside);
        }
    }
}

fn case(rig: &mut impl Runs, random: &mut Random, sequences: &[(u32, u32, u32)], of: Of, beside: u32) {
    let rows: u32 = sequences.iter().map(|(_, _, rows)| rows).sum();
    let what = format!("{sequences:?} of {of:?}");
    let blocks = rows.div_ceil(scan_out::BLOCK);
    rig.run(Case::new(
        scan_ready::Variant {},
        what.clone(),
        of.ready(),
        scan_ready::Bind {
            xbc: Data::In(numbers(random, rows * of.stride())),
            dt: Data::In(bits(&random.floats((rows * (of.heads + 3)) as usize, 4.0))),
            heads: Data::In(of_heads(random, of.heads)),
            steps: Data::Out(poison((2 * rows * of.heads) as usize)),
            pairs: Data::Out(poison((rows * of.groups * scan_ready::BLOCK) as usize)),
        },
        [(of.heads + of.groups * scan_ready::BLOCK).div_ceil(scan_ready::THREADS), rows],
        F32,
    ));
    // Decays and steps of up to 1.
    let steps: Vec<f32> = random.floats((2 * rows * of.heads) as usize, 1.0).iter().map(|x| x.abs()).collect();
    rig.run(Case::new(
        scan_states::Variant {},
        what.clone(),
        of.states(rows, beside),
        scan_states::Bind {
            from_to: Data::In(from_to(sequences)),
            xbc: Data::In(numbers(random, rows * of.stride())),
            steps: Data::In(bits(&steps)),
            states: Data::Out(bits(&random.floats((5 * of.kept()) as usize, 1.0))),
            kept: Data::Out(poison((16 * blocks * of.fours() * of.n4) as usize)),
        },
        [of.workgroups() * of.n4.div_ceil(scan_states::FOURS), beside],
        F32,
    ));
    rig.run(Case::new(
        scan_out::Variant {},
        what,
        of.out(rows),
        scan_out::Bind {
            from_to: Data::In(from_to(sequences)),
            xbc: Data::In(numbers(random, rows * of.stride())),
            steps: Data::In(bits(&steps)),
            pairs: Data::In(numbers(random, rows * of.groups * scan_out::BLOCK)),
            heads: Data::In(of_heads(random, of.heads)),
            states: Data::In(numbers(random, 5 * of.kept())),
            kept: Data::In(numbers(random, 16 * blocks * of.fours() * of.n4)),
            out: Data::Out(poison((4 * rows * of.fours()) as usize)),
        },
        [of.workgroups(), rows.div_ceil(scan_out::TILE)],
        F32,
    ));
}

#[test]
fn blocks_give_what_rows_after_rows_give() {
    let mut random = Random::new(66);
    let rows: u32 = SHARED.iter().map(|(_, _, rows)| rows).sum();
    for of in SHAPES {
        let (from_to, heads) = (from_to(SHARED), of_heads(&mut random, of.heads));
        let xbc = bits(&random.floats((rows * of.stride()) as usize, 1.0));
        let dt = bits(&random.floats((rows * (of.heads + 3)) as usize, 4.0));
        let states = bits(&random.floats((5 * of.kept()) as usize, 1.0));
        let nothing = |count: u32| vec![0; count as usize];
        let (params, out) = (of.out(rows), nothing(4 * rows * of.fours()));
        let scan_params = scan::Params {
            rows,
            heads: of.heads,
            p4: of.p4,
            n4: of.n4,
            per_group: of.heads / of.groups,
            stride4: params.stride4,
            dt_stride: of.heads + 3,
            first_dt: 2,
            state4: params.state4,
            first4: params.first4,
            beside: 1,
        };
        let bind = scan::Bind { from_to: &from_to[..], xbc: &xbc, dt: &dt, heads: &heads, states: &states, out: &out };
        let want = mirror(scan::Variant {}, scan_params, bind, [1, 1]);

        let (steps, pairs) = (nothing(2 * rows * of.heads), nothing(rows * of.groups * scan_ready::BLOCK));
        let bind = scan_ready::Bind { xbc: &xbc[..], dt: &dt, heads: &heads, steps: &steps, pairs: &pairs };
        let ready = mirror(scan_ready::Variant {}, of.ready(), bind, [1, rows]);
        let kept = nothing(16 * rows.div_ceil(scan_out::BLOCK) * of.fours() * of.n4);
        let bind =
            scan_states::Bind { from_to: &from_to[..], xbc: &xbc, steps: &ready.steps, states: &states, kept: &kept };
        let gone = mirror(scan_states::Variant {}, of.states(rows, 1), bind, [1, 1]);
        let bind = scan_out::Bind {
            from_to: &from_to[..],
            xbc: &xbc,
            steps: &ready.steps,
            pairs: &ready.pairs,
            heads: &heads,
            states: &states,
            kept: &gone.kept,
            out: &out,
        };
        let found = mirror(scan_out::Variant {}, params, bind, [1, 1]);
        close(floats(&gone.states), &floats(&want.states).iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), 1e-4);
        close(floats(&found.out), &floats(&want.out).iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), 1e-4);
    }
}
