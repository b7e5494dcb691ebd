use sotto::kernels::params::Glu;

use crate::F32;
use crate::gpu::{Case, Data, Rig, floats};
use crate::random::{Random, poison};

pub fn run(rig: &mut Rig) {
    let mut random = Random::new(2);
    for gelu in [0, 1] {
        for (f, rows) in [(4, 1), (64, 3), (252, 2), (256, 33), (260, 7), (1536, 1), (2048, 4)] {
            // Gates from the curve's bend to far out where only the clamp keeps exp finite.
            for size in [0.5, 4.0, 120.0, 1e4] {
                rig.run(Case {
                    variant: "glu".into(),
                    what: format!("{rows} rows of {f}, gates to {size}, gelu {gelu}"),
                    params: Glu { f4: f / 4, gelu, pad: [0; 2] },
                    buffers: vec![
                        Data::In(floats(&random.floats((rows * 2 * f) as usize, size))),
                        Data::Out(poison((rows * f) as usize)),
                    ],
                    grid: [(f / 4).div_ceil(64), rows],
                    ceiling: F32,
                });
            }
        }
    }
}
