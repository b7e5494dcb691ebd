//! What is computed number by number.

use sotto::kernels::table::choices::Op;
use sotto::kernels::table::{fill_up, map};

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
            [(4, 1, 1), (64, 3, 0), (252, 2, 1), (256, 33, 1), (260, 7, 0), (1536, 1, 1), (2048, 4, 0)]
        {
            // Gates from the curve's bend to far out where only the clamp keeps exp finite.
            for size in [0.5, 4.0, 120.0, 1e4] {
                rig.run(Case::new(
                    map::Variant { op },
                    format!("{rows} rows of {n}, gates to {size}, gated {gated}"),
                    map::Params { curve: CURVE, n4: n / 4, gated },
                    map::Bind {
                        x: Data::In(bits(&random.floats((rows * (1 + gated) * n) as usize, size))),
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
    close(floats(&run(Op::Clamp)), &[0.8, -0.8, 0.0, -0.8], 1e-7);
    // 0.8 · 4 + 0.5 · 2;  0.7 · (1/e - 1 + 1) - 0.5;  0.7 · (exp(-1e-6) - 1);  0.7 · (-1 + 30) - 15
    close(floats(&run(Op::XieluGlu)), &[4.2, -0.242_484_391, -7e-7, 5.3], 1e-6);
}
