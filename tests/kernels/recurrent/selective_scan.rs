//! State spaces of channels.

use sotto::kernels::recurrent::NONE;
use sotto::kernels::table::selective_scan;

use super::{BATCHES, from_to};
use crate::F32;
use crate::case::{Case, Data, Runs, bits, close, floats};
use crate::host::mirror;
use crate::random::{Random, poison};

pub fn run(rig: &mut impl Runs) {
    let mut random = Random::new(64);
    for sequences in BATCHES.into_iter().chain([&[(1, 0, 1), (2, 3, 8), (NONE, 4, 16)][..]]) {
        for (channels, state) in [(4, 4), (64, 16), (36, 20), (96, 12), (8, 256)] {
            for (before, beside) in [(0, 8), (8, 1), (4, 2)] {
                case(rig, &mut random, sequences, [channels, state], [before, beside]);
            }
        }
    }
}

fn case(
    rig: &mut impl Runs,
    random: &mut Random,
    sequences: &[(u32, u32, u32)],
    [channels, state]: [u32; 2],
    [before, beside]: [u32; 2],
) {
    let rows: u32 = sequences.iter().map(|(_, _, rows)| rows).sum();
    let (first, stride) = (5, 5 + 2 * state + 3);
    let kept = before + channels * state + 4;
    let numbers = (rows * channels) as usize;
    let mut of_channels = random.floats(((state + 1) * channels) as usize, 1.0);
    of_channels[..(channels * state) as usize].iter_mut().for_each(|a| *a = -0.1 - 2.0 * a.abs());
    // Mostly of one sign: what is left where sums cancel says nothing.
    let mut positive = |count: usize| -> Vec<f32> { random.floats(count, 1.0).iter().map(|x| x + 0.5).collect() };
    let (x, bc) = (positive(numbers), positive((rows * stride) as usize));
    rig.run(Case::new(
        selective_scan::Variant {},
        format!("{sequences:?} of {channels} channels with states of {state}, {beside} beside each other"),
        selective_scan::Params {
            rows,
            channels,
            n4: state / 4,
            stride,
            first,
            state4: kept / 4,
            first4: before / 4,
            beside,
        },
        selective_scan::Bind {
            from_to: Data::In(from_to(sequences)),
            x: Data::In(bits(&x)),
            dt: Data::In(bits(&random.floats(numbers, 4.0))),
            bc: Data::In(bits(&bc)),
            channels: Data::In(bits(&of_channels)),
            states: Data::Out(bits(&random.floats((5 * kept) as usize, 1.0))),
            out: Data::Out(poison(numbers)),
        },
        [channels.div_ceil(selective_scan::THREADS / (state / 4)), beside],
        F32,
    ));
}

#[test]
fn a_selective_scan_by_hand() {
    // Four channels with states of 4 each; steps are 0, whose softplus is ln 2. What a is decides what stays: of -1 a half, of
    // 0 all, of -2 a quarter.
    let ln2 = std::f64::consts::LN_2;
    let a = [[-1.0; 4], [0.0, -1.0, -2.0, 0.0], [0.0; 4], [0.0; 4]].concat();
    let channels = bits(&[a, vec![10.0, 0.0, 0.0, 1.0]].concat());
    // b = 1, 0, 0, 2; c = 3, 5, 0, 1, behind a number of something else.
    let row = [7.0, 1.0, 0.0, 0.0, 2.0, 3.0, 5.0, 0.0, 1.0];
    let run = |from_to: &[u32], rows: usize| {
        let count = rows as u32;
        let params = selective_scan::Params {
            rows: count,
            channels: 4,
            n4: 1,
            stride: 9,
            first: 1,
            state4: 4,
            first4: 0,
            beside: 1,
        };
        let states = bits(&[vec![8.0; 16], vec![9.0; 16]].concat());
        let x = bits(&[1.0, 2.0, 3.0, 0.0].repeat(rows));
        let (dt, bc, out) = (bits(&vec![0.0; 4 * rows]), bits(&row.repeat(rows)), vec![9; 4 * rows]);
        let bind =
            selective_scan::Bind { from_to, x: &x, dt: &dt, bc: &bc, channels: &channels, states: &states, out: &out };
        mirror(selective_scan::Variant {}, params, bind, [1, 1])
    };
    // It begins: dt x (b · c) + d x.
    let found = run(&from_to(&[(NONE, 1, 1)]), 1);
    close(floats(&found.out), &[5.0 * ln2 + 10.0, 10.0 * ln2, 15.0 * ln2, 0.0], 1e-5);
    let written = [[1.0, 0.0, 0.0, 2.0], [2.0, 0.0, 0.0, 4.0], [3.0, 0.0, 0.0, 6.0], [0.0; 4]].concat();
    close(&floats(&found.states)[16..], &written.iter().map(|x| x * ln2).collect::<Vec<_>>(), 1e-5);
    // It goes on from states of 8: of the first channel's half are left, of the second's 8, 4, 2 and 8, and c sums them.
    let found = run(&from_to(&[(0, 1, 1)]), 1);
    let each = [5.0 * ln2 + 10.0 + 36.0, 10.0 * ln2 + 52.0, 15.0 * ln2 + 72.0, 72.0];
    close(floats(&found.out), &each, 1e-4);
    // Two rows: of what the first added to the first channel half is left.
    let found = run(&from_to(&[(NONE, 1, 2)]), 2);
    close(&floats(&found.out)[4..], &[7.5 * ln2 + 10.0, 20.0 * ln2, 30.0 * ln2, 0.0], 1e-4);
}
