//! Norms of the parts of rows.

use sotto::kernels::table::choices::Reduce;
use sotto::kernels::table::parts_norm;

use crate::F32;
use crate::case::{Case, Data, Runs, bits, close, floats};
use crate::host::mirror;
use crate::random::{Random, poison};

pub fn run(rig: &mut impl Runs) {
    let mut random = Random::new(65);
    for reduce in Reduce::ALL {
        for (first, other, more, rows) in [(1, 4, 0, 1), (7, 16, 5, 3), (160, 16, 0, 5), (33, 256, 7, 2)] {
            let stride = first + 2 * other + more;
            let mut x = random.floats((rows * stride) as usize, 2.0);
            // What is behind the parts stays as it is.
            (0..rows).for_each(|row| {
                let end = ((row + 1) * stride) as usize;
                x[end - more as usize..end].copy_from_slice(floats(&poison(more as usize)));
            });
            rig.run(Case::new(
                parts_norm::Variant { reduce },
                format!("{rows} rows of {first} and twice {other}"),
                parts_norm::Params { first, other, stride, eps: 1e-2 },
                parts_norm::Bind {
                    weight: Data::In(bits(&random.floats((first + 2 * other) as usize, 2.0))),
                    x: Data::Out(bits(&x)),
                },
                [3, rows],
                F32,
            ));
        }
    }
}

#[test]
fn norms_of_parts_by_hand() {
    // Roots of mean squares of 2 (√(16/4), of 4 and three zeros), of 3, and of 1; the last number belongs to no part.
    let (x, weight) =
        (bits(&[4.0, 0.0, 0.0, 0.0, 3.0, -3.0, 1.0, 1.0, 5.0]), bits(&[1.0, 9.0, 9.0, 9.0, 1.0, 2.0, 0.5, -1.0]));
    let params = parts_norm::Params { first: 4, other: 2, stride: 9, eps: 0.0 };
    let bind = parts_norm::Bind { weight: &weight[..], x: &x };
    let found = mirror(parts_norm::Variant { reduce: Reduce::Tree }, params, bind, [3, 1]);
    close(floats(&found.x), &[2.0, 0.0, 0.0, 0.0, 1.0, -2.0, 0.5, -1.0, 5.0], 1e-6);
}
