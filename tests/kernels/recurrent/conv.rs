//! Short convolutions.

use sotto::kernels::recurrent::NONE;
use sotto::kernels::table::conv;

use super::{BATCHES, from_to};
use crate::F32;
use crate::case::{Case, Data, Runs, bits, close, floats};
use crate::host::mirror;
use crate::random::{Random, poison};

pub fn run(rig: &mut impl Runs) {
    let mut random = Random::new(61);
    for sequences in BATCHES {
        for (c, taps, more) in [(4, 2, 0), (96, 3, 8), (260, 4, 0), (64, 7, 100)] {
            for (gates, has_bias, silu) in [(1, 0, 0), (0, 1, 1), (0, 0, 0), (1, 1, 1)] {
                let rows: u32 = sequences.iter().map(|(_, _, rows)| rows).sum();
                let (first4, stride) = if gates == 1 { (c / 2, 3 * c) } else { (2, c + 20) };
                let what = format!("{sequences:?} of {c}, {taps} taps, gates {gates}, bias {has_bias}, silu {silu}");
                rig.run(Case::new(
                    conv::Variant {},
                    what,
                    conv::Params {
                        c4: c / 4,
                        stride4: stride / 4,
                        first4,
                        taps,
                        state4: ((taps - 1) * c + more) / 4,
                        gates,
                        has_bias,
                        silu,
                    },
                    conv::Bind {
                        from_to: Data::In(from_to(sequences)),
                        x: Data::In(bits(&random.floats((rows * stride) as usize, 2.0))),
                        weight: Data::In(bits(&random.floats((c * taps) as usize, 1.0))),
                        bias: Data::In(bits(&random.floats(c as usize, 1.0))),
                        states: Data::Out(bits(&random.floats((5 * ((taps - 1) * c + more)) as usize, 2.0))),
                        out: Data::Out(poison((rows * c) as usize)),
                    },
                    [(c / 4).div_ceil(conv::THREADS), rows],
                    F32,
                ));
            }
        }
    }
}

#[test]
fn a_convolution_by_hand() {
    // Three taps: 1 of the row itself, 10 of the one before, 100 of the one before that; channel 1 has them doubled.
    let weight = bits(&[100.0, 10.0, 1.0, 200.0, 20.0, 2.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
    let bias = bits(&[0.0, 0.0, 0.5, 0.0]);
    let states = bits(&[[7.0; 4], [8.0; 4], [1.0; 4], [2.0; 4]].concat());
    let x = bits(&[[3.0; 4], [4.0; 4], [5.0; 4]].concat());
    let run = |from_to: &[u32], x: &[u32], params: conv::Params, rows: u32| {
        let bind =
            conv::Bind { from_to, x, weight: &weight, bias: &bias, states: &states, out: &vec![9; 4 * rows as usize] };
        mirror(conv::Variant {}, params, bind, [1, rows])
    };
    let plain = conv::Params { c4: 1, stride4: 1, first4: 0, taps: 3, state4: 2, gates: 0, has_bias: 1, silu: 0 };
    // Two rows that go on from state 1, where 1 and 2 were; one that begins.
    let found = run(&from_to(&[(1, 0, 2), (NONE, 1, 1)]), &x, plain, 3);
    let want = [123.0, 246.0, 3.5, 2.0, 234.0, 468.0, 4.5, 3.0, 5.0, 10.0, 5.5, 0.0];
    close(floats(&found.out), &want, 0.0);
    close(floats(&found.states), &[[3.0; 4], [4.0; 4], [0.0; 4], [5.0; 4]].concat(), 0.0);
    // One row alone: what was the newer is the older now.
    let found = run(&from_to(&[(1, 0, 1)]), &x[..4], plain, 1);
    close(&floats(&found.states)[..8], &[[2.0; 4], [3.0; 4]].concat(), 0.0);
    // b = 2, c = 3, x = 5: 3 · (10 + 20 + 100), and what is kept is b x.
    let row = bits(&[[2.0; 4], [3.0; 4], [5.0; 4]].concat());
    let gated = conv::Params { stride4: 3, first4: 2, gates: 1, has_bias: 0, ..plain };
    let found = run(&from_to(&[(1, 0, 1)]), &row, gated, 1);
    close(floats(&found.out), &[390.0, 780.0, 30.0, 6.0], 0.0);
    close(&floats(&found.states)[4..8], &[10.0; 4], 0.0);
    // SiLU(1) = 1/(1 + 1/e)
    let found = run(&from_to(&[(NONE, 0, 1)]), &bits(&[1.0; 4]), conv::Params { has_bias: 0, silu: 1, ..plain }, 1);
    close(&floats(&found.out)[..1], &[0.731_058_578_63], 1e-7);
}
