use sotto::kernels::params::RmsNorm;

use crate::gpu::{Case, Data, Rig, floats};
use crate::random::{Random, poison};
use crate::{F32, REDUCES};

/// Row length, rows, size of x, eps: rows shorter and longer than the workgroup, and an eps that matters.
const SHAPES: [(usize, usize, f32, f32); 9] = [
    (4, 1, 1.0, 1e-5),
    (64, 3, 1.0, 1e-6),
    (96, 2, 0.01, 1e-3),
    (252, 4, 30.0, 1e-5),
    (256, 65, 1.0, 1e-5),
    (260, 7, 1.0, 1e-5),
    (576, 9, 1e-3, 1e-5),
    (640, 33, 1e4, 1e-6),
    (2052, 3, 1.0, 1e-6),
];

pub fn run(rig: &mut Rig) {
    for reduce in REDUCES {
        let mut random = Random::new(1);
        for (k, rows, size, eps) in SHAPES {
            for (gather, accumulate) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                // Gathered rows come in any order, some twice, some never.
                let sources = rows + 5;
                let picks: Vec<u32> = (0..rows).map(|_| (random.next() % sources as u64) as u32).collect();
                let out = if accumulate == 1 { floats(&random.floats(rows * k, 1.0)) } else { poison(rows * k) };
                rig.run(Case {
                    variant: format!("rmsnorm.{reduce}"),
                    what: format!("{rows} rows of {k}, eps {eps:e}, gather {gather}, accumulate {accumulate}"),
                    params: RmsNorm { k4: k as u32 / 4, eps, gather, accumulate },
                    buffers: vec![
                        Data::In(floats(&random.floats(sources * k, size))),
                        Data::In(floats(&random.floats(k, 2.0))),
                        Data::In(if gather == 1 { picks } else { poison(4) }),
                        Data::Out(out),
                    ],
                    grid: [1, rows as u32],
                    ceiling: F32,
                });
            }
        }
    }
}
