//! State spaces.

use sotto::kernels::recurrent::NONE;
use sotto::kernels::table::scan;

use super::{BATCHES, from_to};
use crate::F32;
use crate::case::{Case, Data, Runs, bits, close, floats};
use crate::host::mirror;
use crate::random::{Random, poison};

/// What a case is of: heads, groups, numbers of x and of a state.
#[derive(Clone, Copy, Debug)]
struct Of {
    heads: u32,
    groups: u32,
    head_dim: u32,
    state: u32,
}

pub fn run(rig: &mut impl Runs) {
    let mut random = Random::new(62);
    let shapes = [(1, 1, 4, 4), (6, 2, 32, 16), (15, 3, 12, 20), (3, 1, 64, 128), (2, 2, 8, 256)];
    for sequences in BATCHES.into_iter().chain([&[(1, 0, 1), (2, 3, 8), (NONE, 4, 16)][..]]) {
        for (heads, groups, head_dim, state) in shapes {
            for (before, beside) in [(0, 8), (8, 1), (4, 2)] {
                case(rig, &mut random, sequences, Of { heads, groups, head_dim, state }, [before, beside]);
            }
        }
    }
}

fn case(rig: &mut impl Runs, random: &mut Random, sequences: &[(u32, u32, u32)], of: Of, [before, beside]: [u32; 2]) {
    let Of { heads, groups, head_dim, state } = of;
    let rows: u32 = sequences.iter().map(|(_, _, rows)| rows).sum();
    let (inner, more) = (heads * head_dim, 3);
    let (stride, dt_stride) = (inner + 2 * groups * state, more + heads + 5);
    let kept = before + inner * state + 4;
    let mut of_heads = random.floats(3 * heads as usize, 1.0);
    of_heads[heads as usize..2 * heads as usize].iter_mut().for_each(|a| *a = -0.1 - 2.0 * a.abs());
    // Mostly of one sign: what is left where sums cancel says nothing.
    let xbc: Vec<f32> = random.floats((rows * stride) as usize, 1.0).iter().map(|x| x + 0.5).collect();
    rig.run(Case::new(
        scan::Variant {},
        format!("{sequences:?} of {of:?}, {beside} beside each other"),
        scan::Params {
            rows,
            heads,
            p4: head_dim / 4,
            n4: state / 4,
            per_group: heads / groups,
            stride4: stride / 4,
            dt_stride,
            first_dt: more,
            state4: kept / 4,
            first4: before / 4,
            beside,
        },
        scan::Bind {
            from_to: Data::In(from_to(sequences)),
            xbc: Data::In(bits(&xbc)),
            dt: Data::In(bits(&random.floats((rows * dt_stride) as usize, 4.0))),
            heads: Data::In(bits(&of_heads)),
            states: Data::Out(bits(&random.floats((5 * kept) as usize, 1.0))),
            out: Data::Out(poison((rows * inner) as usize)),
        },
        [(inner / 4).div_ceil(scan::THREADS / (state / 4)), beside],
        F32,
    ));
}

#[test]
fn a_state_space_by_hand() {
    // One head of 4 numbers, with a state of 4 each. dt is 0, whose softplus is ln 2, or so large that it is its own; a is -1
    // and 0, and so are states halved, or kept.
    let ln2 = std::f64::consts::LN_2;
    let run = |from_to: &[u32], xbc: &[f32], dt: f32, a: f32, rows: u32| {
        let params = scan::Params {
            rows,
            heads: 1,
            p4: 1,
            n4: 1,
            per_group: 1,
            stride4: 3,
            dt_stride: 1,
            first_dt: 0,
            state4: 4,
            first4: 0,
            beside: 1,
        };
        // Of the state, which is kept by n, number 1 is 8 for every p.
        let states = bits(&[[0.0; 4], [8.0; 4], [0.0; 4], [0.0; 4], [9.0; 4], [9.0; 4], [9.0; 4], [9.0; 4]].concat());
        let (dts, heads) = (bits(&vec![dt; rows as usize]), bits(&[0.0, a, 10.0]));
        let (xbc, out) = (bits(xbc), vec![9; 4 * rows as usize]);
        let bind = scan::Bind { from_to, xbc: &xbc, dt: &dts, heads: &heads, states: &states, out: &out };
        mirror(scan::Variant {}, params, bind, [1, 1])
    };
    // x = 1, 2, 3, 0; b = 1, 0, 0, 2; c = 3, 5, 0, 1.
    let row = [1.0, 2.0, 3.0, 0.0, 1.0, 0.0, 0.0, 2.0, 3.0, 5.0, 0.0, 1.0];
    // It begins: dt x (b · c) + d x = (5 ln 2 + 10) x
    let found = run(&from_to(&[(NONE, 1, 1)]), &row, 0.0, -1.0, 1);
    let each = 5.0 * ln2 + 10.0;
    close(floats(&found.out), &[each, 2.0 * each, 3.0 * each, 0.0], 1e-5);
    let written = [[1.0, 2.0, 3.0, 0.0], [0.0; 4], [0.0; 4], [2.0, 4.0, 6.0, 0.0]].concat();
    close(&floats(&found.states)[16..], &written.iter().map(|x| x * ln2).collect::<Vec<_>>(), 1e-6);
    // It goes on: of the 8 that are there half are left, and 5 · 4 is added.
    let found = run(&from_to(&[(0, 1, 1)]), &row, 0.0, -1.0, 1);
    close(floats(&found.out), &[each + 20.0, 2.0 * each + 20.0, 3.0 * each + 20.0, 20.0], 1e-5);
    close(&floats(&found.states)[20..24], &[4.0; 4], 1e-6);
    // Two rows at a dt of 32 that forget nothing: 32 · 5 after one, twice that after two.
    let found = run(&from_to(&[(NONE, 1, 2)]), &[row, row].concat(), 32.0, 0.0, 2);
    close(floats(&found.out), &[170.0, 340.0, 510.0, 0.0, 330.0, 660.0, 990.0, 0.0], 1e-4);
}
