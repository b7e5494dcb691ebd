//! Embeddings: rows taken out of a matrix.

use sotto::kernels::table::embed;
use sotto::quant::{self, TensorType};

use crate::F32;
use crate::case::{Case, Data, Runs, bits, close, floats};
use crate::gpu::Rig;
use crate::host::mirror;
use crate::random::{Random, part, poison};

/// n_embd, rows of the part, its first row, embed_scale. 2080 takes two workgroups a row.
const SHAPES: [(usize, usize, u32, f32); 5] =
    [(32, 1, 0, 1.0), (96, 7, 5, 0.125), (576, 11, 0, 25.3), (640, 13, 1000, 25.298), (2080, 3, 4, -2.0)];

pub fn run(rig: &mut Rig) {
    let mut random = Random::new(3);
    for &format in TensorType::FORMATS {
        for (k, n_rows, first_row, scale) in SHAPES {
            let slack = 256 * (n_rows % 3);
            let part = part(&mut random, format, n_rows * k, slack);
            let end = first_row + n_rows as u32;
            // Both ends of the part, one within, and tokens of other parts: their rows stay as they are.
            let tokens = [first_row, end, end - 1, first_row.wrapping_sub(1), first_row + n_rows as u32 / 2, u32::MAX];
            // Some cases look positions up, or token types, and add.
            let by = match n_rows {
                7 => 2,
                3 | 11 => 1,
                _ => 0,
            };
            let row = |&t: &u32| match by {
                0 => [t, 7, 9, 0],
                1 => [7, t, 9, 0],
                _ => [7 | t << 24, 7, 9, 0],
            };
            let batch = tokens.iter().flat_map(row).collect();
            let size = tokens.len() * k;
            let out = if by > 0 { bits(&random.floats(size, 1.0)) } else { poison(size) };
            let k_blocks = k as u32 / 32;
            rig.run(Case::new(
                embed::Variant { format },
                format!("{n_rows} rows of {k} from row {first_row}"),
                embed::Params { planes: part.planes, k_blocks, first_row, n_rows: n_rows as u32, scale, by },
                embed::Bind { weights: Data::In(part.words), batch: Data::In(batch), out: Data::Out(out) },
                [k_blocks.div_ceil(embed::THREADS), tokens.len() as u32],
                F32,
            ));
        }
    }
}

#[test]
fn embed_takes_rows_of_the_file() {
    let mut random = Random::new(7);
    let (k, n_rows, first_row) = (96, 8, 100);
    for &format in TensorType::FORMATS {
        let part = part(&mut random, format, n_rows * k, 0);
        let mut file = vec![0.0; n_rows * k];
        quant::dequantize(format, &part.blocks[..file.len() / format.block_len() * format.block_bytes()], &mut file);
        let params = embed::Params {
            planes: part.planes,
            k_blocks: k as u32 / 32,
            first_row,
            n_rows: n_rows as u32,
            scale: 3.0,
            by: 0,
        };
        let tokens = [103, 99, 107, 108, 100];
        let batch: Vec<u32> = tokens.iter().flat_map(|&t| [t, 0, 0, 0]).collect();
        let bind = embed::Bind { weights: &part.words[..], batch: &batch, out: &bits(&vec![8.0; 5 * k]) };
        let out = mirror(embed::Variant { format }, params, bind, [1, 5]).out;
        for (row, token) in floats(&out).chunks_exact(k).zip(tokens) {
            let want: Vec<f64> = match token {
                100..=107 => file[(token as usize - 100) * k..][..k].iter().map(|&w| w as f64 * 3.0).collect(),
                _ => vec![8.0; k],
            };
            close(row, &want, 1e-5);
        }
    }
}
