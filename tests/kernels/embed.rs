use sotto::kernels::params::Embed;
use sotto::quant::TensorType;

use crate::F32;
use crate::gpu::{Case, Data, Rig};
use crate::random::{Random, part, poison};

/// n_embd, rows of the part, its first row, embed_scale. 2080 takes two workgroups a row.
const SHAPES: [(usize, usize, u32, f32); 5] =
    [(32, 1, 0, 1.0), (96, 7, 5, 0.125), (576, 11, 0, 25.3), (640, 13, 1000, 25.298), (2080, 3, 4, -2.0)];

pub fn run(rig: &mut Rig) {
    let mut random = Random::new(3);
    for kind in TensorType::ALL {
        for (k, n_rows, first_row, scale) in SHAPES {
            let slack = 256 * (n_rows % 3);
            let part = part(&mut random, kind, n_rows * k, slack);
            let end = first_row + n_rows as u32;
            // Both ends of the part, one within, and tokens of other parts: their rows stay as they are.
            let tokens = [first_row, end, end - 1, first_row.wrapping_sub(1), first_row + n_rows as u32 / 2, u32::MAX];
            let batch = tokens.iter().flat_map(|&t| [t, 7, 9, 0]).collect();
            rig.run(Case {
                variant: format!("embed.{}", kind.name().to_lowercase()),
                what: format!("{n_rows} rows of {k} from row {first_row}"),
                params: Embed { planes: part.planes, k_blocks: k as u32 / 32, first_row, n_rows: n_rows as u32, scale },
                buffers: vec![Data::In(part.words), Data::Again, Data::In(batch), Data::Out(poison(tokens.len() * k))],
                grid: [(k as u32 / 32).div_ceil(64), tokens.len() as u32],
                ceiling: F32,
            });
        }
    }
}
