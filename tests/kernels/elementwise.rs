//! What is computed number by number.

use sotto::kernels::table::choices::{Gate, Op};
use sotto::kernels::table::{fill_up, gate_by, map, scale_by};

use crate::F32;
use crate::case::{Case, Data, Runs, bits, close, floats};
use crate::host::mirror;
use crate::random::{Random, poison};

/// XIELU's parameters: curved to both sides.
const CURVE: [f32; 4] = [0.8, 0.7, 0.5, -1e-6];

pub fn run(rig: &mut impl Runs) {
    let mut random = Random::new(2);
    for op in Op::ALL {
        // Far out all results are tiny, and what is rounded in an exponent of -36 is all there is to see.
        let most = if op == Op::GeluErfGlu { 1e-11 } else { F32 };
        for (n, rows, gated) in
            [(4, 1, 1), (64, 3, 0), (252, 2, 1), (256, 33, 2), (260, 7, 0), (1536, 1, 1), (2048, 4, 0)]
        {
            // Gates from the curve's bend to far out where only the clamp keeps exp finite.
            for size in [0.5, 4.0, 120.0, 1e4] {
                rig.run(Case::new(
                    map::Variant { op },
                    format!("{rows} rows of {n}, gates to {size}, gated {gated}"),
                    map::Params { curve: CURVE, n4: n / 4, gated },
                    map::Bind {
                        x: Data::In(bits(&random.floats((rows * (1 + gated.min(1)) * n) as usize, size))),
                        out: Data::Out(poison((rows * n) as usize)),
                    },
                    [(n / 4).div_ceil(map::THREADS), rows],
                    most,
                ));
            }
        }
    }
    for (length, room, rows) in [(4, 32, 1), (48, 64, 3), (252, 256, 2), (260, 288, 33), (2048, 2048, 4)] {
        let x = bits(&random.floats((rows * length) as usize, 2.0));
        rig.run(Case::new(
            fill_up::Variant {},
            format!("{rows} rows of {length} of {room}"),
            fill_up::Params { length4: length / 4, room4: room / 4 },
            fill_up::Bind { x: Data::In(x), out: Data::Out(poison((rows * room) as usize)) },
            [(room / 4).div_ceil(fill_up::THREADS), rows],
            F32,
        ));
    }
    of_the_file(rig, &mut random);
}

/// A gate on a piece of longer rows, and a number of the file.
fn of_the_file(rig: &mut impl Runs, random: &mut Random) {
    for (n, stride, first, rows) in [(4, 4, 0, 1), (32, 192, 160, 3), (260, 524, 8, 2), (256, 8960, 512, 5)] {
        for gate in Gate::ALL {
            rig.run(Case::new(
                gate_by::Variant { gate },
                format!("{rows} rows of {n} from {first} of {stride}"),
                gate_by::Params { n4: n / 4, stride4: stride / 4, first4: first / 4 },
                gate_by::Bind {
                    x: Data::In(bits(&random.floats((rows * n) as usize, 4.0))),
                    y: Data::In(bits(&random.floats((rows * stride) as usize, 2.0))),
                    out: Data::Out(poison((rows * n) as usize)),
                },
                [(n / 4).div_ceil(gate_by::THREADS), rows],
                F32,
            ));
        }
        rig.run(Case::new(
            scale_by::Variant {},
            format!("{rows} rows of {n}"),
            scale_by::Params { n4: n / 4 },
            scale_by::Bind {
                scale: Data::In(bits(&[0.37])),
                x: Data::Out(bits(&random.floats((rows * n) as usize, 4.0))),
            },
            [(n / 4).div_ceil(scale_by::THREADS), rows],
            F32,
        ));
    }
}

#[test]
fn gates_on_pieces_and_a_files_number_by_hand() {
    // GELU's tanh form of 1 and -0.5; the piece begins at 4.
    let x = bits(&[1.0, -0.5, 0.0, 30.0]);
    let y = bits(&[9.0, 9.0, 9.0, 9.0, 2.0, 1.0, 5.0, 0.5]);
    let run = |gate| {
        let bind = gate_by::Bind { x: &x[..], y: &y, out: &[0; 4] };
        mirror(gate_by::Variant { gate }, gate_by::Params { n4: 1, stride4: 2, first4: 1 }, bind, [1, 1]).out
    };
    close(floats(&run(Gate::GeluGlu)), &[1.682_383_983_8, -0.154_285_993_9, 0.0, 15.0], 1e-6);
    // 1 / (1 + 1/e), 1 / (1 + √e), 1/2 and 1.
    close(floats(&run(Gate::SigmoidGlu)), &[1.462_117_157_3, 0.377_540_668_8, 2.5, 0.5], 1e-6);
    let bind = scale_by::Bind { scale: &bits(&[0.5])[..], x: &x };
    close(
        floats(&mirror(scale_by::Variant {}, scale_by::Params { n4: 1 }, bind, [1, 1]).x),
        &[0.5, -0.25, 0.0, 15.0],
        0.0,
    );
}

#[test]
fn rows_are_filled_up_by_hand() {
    let x = bits(&[3.0, -4.0, 0.5, 1.0, 5.0, 6.0, 7.0, 8.0]);
    let bind = fill_up::Bind { x: &x[..], out: &[7; 16] };
    let out = mirror(fill_up::Variant {}, fill_up::Params { length4: 1, room4: 2 }, bind, [1, 2]).out;
    let want = [3.0, -4.0, 0.5, 1.0, 0.0, 0.0, 0.0, 0.0, 5.0, 6.0, 7.0, 8.0, 0.0, 0.0, 0.0, 0.0];
    close(floats(&out), &want, 0.0);
}

#[test]
fn glu_by_hand() {
    // SiLU(1) = 1/(1 + 1/e); GELU's tanh form at 1 and -0.5, from its published formula.
    let gates = [1.0, -0.5, 0.0, 30.0];
    let ups = [2.0, 1.0, 5.0, 0.5];
    let gate_up = bits(&[gates, ups].concat());
    let params = map::Params { curve: CURVE, n4: 1, gated: 1 };
    let run = |op| mirror(map::Variant { op }, params, map::Bind { x: &gate_up, out: &[0; 4] }, [1, 1]);
    close(floats(&run(Op::SiluGlu).out), &[1.462_117_157_260, -0.188_770_334_399, 0.0, 15.0], 1e-6);
    let gelu = run(Op::GeluGlu).out;
    close(floats(&gelu), &[1.682_383_983_8, -0.154_285_993_9, 0.0, 15.0], 1e-6);
    // What is gated first, then the gate.
    let up_gate = bits(&[ups, gates].concat());
    let bind = map::Bind { x: &up_gate[..], out: &[0; 4] };
    assert_eq!(mirror(map::Variant { op: Op::GeluGlu }, map::Params { gated: 2, ..params }, bind, [1, 1]).out, gelu);
    for (i, &g) in gates.iter().enumerate() {
        let inner = (2.0 / std::f64::consts::PI).sqrt() * (g as f64 + 0.044715 * (g as f64).powi(3));
        let want = 0.5 * g as f64 * (1.0 + inner.tanh()) * ups[i] as f64;
        close(&floats(&gelu)[i..=i], &[want], 2e-6);
    }
}

#[test]
fn activations_without_a_gate_by_hand() {
    let x = bits(&[2.0, -1.0, 0.0, -30.0]);
    let params = map::Params { curve: CURVE, n4: 1, gated: 0 };
    let run = |op| mirror(map::Variant { op }, params, map::Bind { x: &x, out: &[0; 4] }, [1, 1]).out;
    close(floats(&run(Op::Relu2Glu)), &[4.0, 0.0, 0.0, 0.0], 0.0);
    // From a table of erf: erf(√2) = 0.954499736104, erf(1/√2) = 0.682689492137.
    close(floats(&run(Op::GeluErfGlu)), &[1.954_499_736_104, -0.158_655_253_931, 0.0, 0.0], 1e-6);
    // 0.7 is the limit. 0.7 / (1 + exp(-0.56)) · (1.7);  -1 / (1 + exp(0.8)) · 1.7;  0;  -30 / (1 + exp(24)) · 1.7
    let want = [0.757_378_522_9, -0.527_043_382_1, 0.0, -1.925_3e-9];
    close(floats(&run(Op::LimitedGlu)), &want, 1e-6);
    close(floats(&run(Op::Clamp)), &[0.8, -0.8, 0.0, -0.8], 1e-7);
    // 0.8 · 4 + 0.5 · 2;  0.7 · (1/e - 1 + 1) - 0.5;  0.7 · (exp(-1e-6) - 1);  0.7 · (-1 + 30) - 15
    close(floats(&run(Op::XieluGlu)), &[4.2, -0.242_484_391, -7e-7, 5.3], 1e-6);
}
