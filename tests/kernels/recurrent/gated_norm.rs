//! Norms of gated groups.

use sotto::kernels::table::choices::Reduce;
use sotto::kernels::table::gated_norm;

use crate::F32;
use crate::case::{Case, Data, Runs, bits, close, floats};
use crate::host::mirror;
use crate::random::{Random, poison};

pub fn run(rig: &mut impl Runs) {
    let mut random = Random::new(63);
    for reduce in Reduce::ALL {
        for (length, groups, more, rows) in [(4, 1, 28, 1), (60, 3, 12, 3), (256, 2, 0, 5), (300, 1, 20, 2)] {
            for (has_norm, eps) in [(0, 0.0), (1, 1e-3), (2, 1e-3)] {
                let (width, stride) = (length * groups, length * groups + 36);
                let what = format!("{rows} rows of {groups} groups of {length}, norm {has_norm}");
                rig.run(Case::new(
                    gated_norm::Variant { reduce },
                    what,
                    gated_norm::Params {
                        g4: length / 4,
                        groups,
                        stride4: stride / 4,
                        out4: (width + more) / 4,
                        has_norm,
                        eps,
                    },
                    gated_norm::Bind {
                        y: Data::In(bits(&random.floats((rows * width) as usize, 0.1))),
                        z: Data::In(bits(&random.floats((rows * stride) as usize, 3.0))),
                        weight: Data::In(bits(&random.floats(width as usize, 2.0))),
                        out: Data::Out(poison((rows * (width + more)) as usize)),
                    },
                    [groups, rows],
                    F32,
                ));
            }
        }
    }
}

#[test]
fn a_gated_norm_by_hand() {
    // Gates are 80, whose sigmoid is 1: the numbers that are normed are 80, -80, 240, 0 and 80, 0, 0, 0.
    let (y, z) = (bits(&[1.0, -1.0, 3.0, 0.0, 1.0, 0.0, 0.0, 0.0]), bits(&[[80.0; 8], [0.0; 8]].concat()));
    let weight = bits(&[1.0, 1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0]);
    let run = |has_norm: u32| {
        let params = gated_norm::Params { g4: 1, groups: 2, stride4: 4, out4: 3, has_norm, eps: 0.0 };
        let bind = gated_norm::Bind { y: &y[..], z: &z, weight: &weight, out: &[9; 12] };
        floats(&mirror(gated_norm::Variant { reduce: Reduce::Tree }, params, bind, [2, 1]).out).to_vec()
    };
    close(&run(0), &[80.0, -80.0, 240.0, 0.0, 80.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 0.0);
    // The root of the mean of squares is 80 √(11/4) and 80 √(1/4).
    let unit = 2.0 / 11.0_f64.sqrt();
    close(&run(1), &[unit, -unit, 3.0 * unit, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 1e-6);
    // With the norm first, that of 1, -1, 3, 0 and 1, 0, 0, 0, and the first four weights for all.
    let by = 80.0 * unit;
    close(&run(2), &[by, -by, 3.0 * by, 0.0, 160.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 1e-4);
}
