//! What happens before latent attention.

use sotto::kernels::table::choices::{Kv, Reduce};
use sotto::kernels::table::rope_latent;

use crate::attention::batch;
use crate::case::{Case, Data, Runs, bits, close, floats};
use crate::cells::{beside, place};
use crate::host::mirror;
use crate::random::{Random, poison, takes};
use crate::rope::{of_cache, table};

/// (heads, numbers of a head, latents, rotated pairs, neox, (position, first cell) a row)
type Shape = (u32, u32, u32, u32, u32, &'static [(u32, u32)]);

const SHAPES: [Shape; 4] = [
    (1, 8, 32, 2, 0, &[(0, 0)]),
    (4, 48, 64, 8, 0, &[(255, 3), (256, 3), (5, 300)]),
    (3, 32, 96, 6, 1, &[(700, 0), (701, 0)]),
    (16, 192, 512, 32, 0, &[(1029, 2)]),
];

pub fn run(rig: &mut impl Runs) {
    for kv in Kv::ALL {
        for reduce in Reduce::ALL {
            let mut random = Random::new(12);
            let shapes = SHAPES.iter().filter(|&&(_, _, rank, half, ..)| takes(kv, rank + 2 * half));
            shapes.for_each(|s| rig.run(case(&mut random, s, rope_latent::Variant { reduce, kv })));
        }
    }
}

fn case(random: &mut Random, s: &Shape, variant: rope_latent::Variant) -> Case {
    let &(n_heads, q_head, rank, rope_half, neox, rows) = s;
    let (width, count, kv) = (rank + 2 * rope_half, rows.len() as u32, variant.kv);
    let cells = rows.iter().map(|&(p, c)| place(c, p)).max().unwrap_or(0) + 3;
    let cache = Data::OutHeads(poison(cells as usize * kv.words(width as usize)), kv, width);
    Case::new(
        variant,
        format!("{n_heads} heads of {q_head}, {rank} latents, {rope_half} pairs, neox {neox}, at {:?}", rows[0]),
        rope_latent::Params { n_heads, q_head, rank, rope_half, neox, eps: 1e-3, attn_scale: 0.37 },
        rope_latent::Bind {
            batch: Data::In(batch(rows, 0, 0)),
            q: Data::In(bits(&random.floats((count * n_heads * q_head) as usize, 2.0))),
            latents: Data::In(bits(&random.floats((count * width) as usize, 2.0))),
            norm: Data::In(bits(&random.floats(rank as usize, 2.0))),
            rope: Data::In(bits(&table(2 * rope_half, 1e4, 1.0, 1280))),
            queries: Data::Out(poison((count * n_heads * width) as usize)),
            k_cache: cache,
        },
        [n_heads + 1, count],
        of_cache(kv),
    )
}

#[test]
fn latents_are_normed_and_shared_keys_rotated_by_hand() {
    // One pair is rotated by the position, 2. Latents of root mean square 2; the query's rotated part is its last two
    // numbers.
    let params =
        rope_latent::Params { n_heads: 1, q_head: 4, rank: 4, rope_half: 2, neox: 0, eps: 0.0, attn_scale: 0.5 };
    let table = table(4, 1e4, 1.0, 256);
    let bind = rope_latent::Bind {
        batch: &beside(&[[0, 2, 1, 0]], 2)[..],
        q: &bits(&[1.0, 0.0, 0.0, 1.0]),
        latents: &bits(&[2.0, -2.0, 2.0, 2.0, 1.0, 0.0, 0.0, 0.0]),
        norm: &bits(&[1.0, 2.0, 3.0, 4.0]),
        rope: &bits(&table),
        queries: &[7; 8],
        k_cache: &[7; 32],
    };
    let out = mirror(rope_latent::Variant { reduce: Reduce::Tree, kv: Kv::F32 }, params, bind, [2, 1]);
    let ((sin, cos), (slow_sin, slow_cos)) = (2f64.sin_cos(), 0.02f64.sin_cos());
    close(&floats(&out.queries)[4..], &[cos / 2.0, sin / 2.0, -slow_sin / 2.0, slow_cos / 2.0], 1e-6);
    assert_eq!(out.queries[..4], [7; 4]);
    // Position 2 of a sequence that begins at cell 1.
    close(&floats(&out.k_cache)[24..], &[1.0, -2.0, 3.0, 4.0, cos, sin, 0.0, 0.0], 1e-6);
    assert_eq!(out.k_cache[..24], [7; 24]);
}
