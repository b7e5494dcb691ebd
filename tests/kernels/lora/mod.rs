//! The two small products of adapters beside a large one.

use sotto::kernels::table::choices::Reduce;
use sotto::kernels::table::{lora_down, lora_pick, lora_up};

use crate::F32;
use crate::case::{Case, Data, Runs, bits, close, floats};
use crate::host::mirror;
use crate::random::{Random, poison};

pub fn run(rig: &mut impl Runs) {
    down(rig);
    picked(rig);
    up(rig);
}

/// (adapter, column, columns, start) of each rank: adapters by turns, which change other stretches of `n` columns.
fn places(first: u32, ranks: u32, adapters: u32, n: u32) -> (Vec<u32>, u32) {
    let (mut words, mut start) = (vec![7; 4 * first as usize], 0);
    for j in 0..ranks {
        let column = j % 3 * (n / 4);
        let columns = n - column - j % 2 * (n / 5);
        words.extend([j * adapters / ranks, column, columns, start]);
        start += columns;
    }
    (words, start)
}

/// How much of each adapter rows want: of every third nothing.
fn gains(random: &mut Random, rows: u32, adapters: u32) -> Vec<f32> {
    (0..rows * adapters).map(|i| if i % 3 == 1 { 0.0 } else { 0.5 + random.unit() }).collect()
}

fn down(rig: &mut impl Runs) {
    let mut random = Random::new(71);
    for (k, ranks, first, adapters, rows, gather) in
        [(4, 1, 0, 1, 1, 0), (100, 3, 2, 2, 5, 0), (576, 48, 5, 3, 4, 1), (260, 17, 0, 4, 33, 0), (1536, 8, 1, 1, 2, 1)]
    {
        for reduce in Reduce::ALL {
            let (places, _) = places(first, ranks, adapters, 64);
            let of: Vec<u32> = (0..rows).rev().collect();
            rig.run(Case::new(
                lora_down::Variant { reduce },
                format!("{ranks} ranks of {adapters} adapters on {rows} rows of {k}, gather {gather}"),
                lora_down::Params { k4: k / 4, ranks, first, adapters, gather },
                lora_down::Bind {
                    x: Data::In(bits(&random.floats((rows * k) as usize, 2.0))),
                    a: Data::In(bits(&random.floats((ranks * k) as usize, 1.0))),
                    places: Data::In(places),
                    gains: Data::In(bits(&gains(&mut random, rows, adapters))),
                    rows: Data::In(if gather == 1 { of } else { poison(rows as usize) }),
                    h: Data::Out(poison((rows * ranks) as usize)),
                },
                [ranks, rows],
                F32,
            ));
        }
    }
}

fn picked(rig: &mut impl Runs) {
    let mut random = Random::new(72);
    for (n_vocab, ranks, first, adapters, rows) in [(5, 1, 0, 1, 1), (97, 70, 3, 3, 4), (300, 8, 1, 2, 33)] {
        let (places, _) = places(first, ranks, adapters, 64);
        // Types stand above tokens.
        let batch = (0..rows).flat_map(|r| [((r * 31 + 4) % n_vocab) | ((r % 2) << 24), r, 0, 0]).collect();
        rig.run(Case::new(
            lora_pick::Variant {},
            format!("{ranks} ranks of {adapters} adapters, {rows} tokens of {n_vocab}"),
            lora_pick::Params { n_vocab, ranks, first, adapters, scale: 3.5 },
            lora_pick::Bind {
                batch: Data::In(batch),
                a: Data::In(bits(&random.floats((ranks * n_vocab) as usize, 1.0))),
                places: Data::In(places),
                gains: Data::In(bits(&gains(&mut random, rows, adapters))),
                h: Data::Out(poison((rows * ranks) as usize)),
            },
            [ranks.div_ceil(lora_pick::THREADS), rows],
            F32,
        ));
    }
}

fn up(rig: &mut impl Runs) {
    let mut random = Random::new(73);
    for (n, ranks, first, adapters, rows) in
        [(1, 1, 0, 1, 1), (100, 3, 2, 2, 5), (576, 48, 5, 3, 4), (257, 17, 0, 4, 33), (1024, 1, 1, 1, 2)]
    {
        let (places, numbers) = places(first, ranks, adapters, n);
        let mut h = random.floats((rows * ranks) as usize, 1.0);
        h.iter_mut().skip(1).step_by(3).for_each(|h| *h = 0.0);
        rig.run(Case::new(
            lora_up::Variant {},
            format!("{ranks} ranks of {adapters} adapters on {rows} rows of {n}"),
            lora_up::Params { ranks, first, n },
            lora_up::Bind {
                h: Data::In(bits(&h)),
                b: Data::In(bits(&random.floats(numbers as usize, 1.0))),
                places: Data::In(places),
                out: Data::Out(bits(&random.floats((rows * n) as usize, 1.0))),
            },
            [n.div_ceil(lora_up::THREADS), rows],
            F32,
        ));
    }
}

#[test]
fn each_row_gets_its_own_adapters_by_hand() {
    // Two adapters of rank 1 beside a matrix of three rows; the second changes its last two alone.
    let places = vec![0, 0, 3, 0, 1, 1, 2, 3];
    let (x, a) = (bits(&[1.0, 2.0, 3.0, 4.0, 1.0, 1.0, 1.0, 1.0]), bits(&[1.0, 0.0, 0.0, 1.0, 2.0, 2.0, 0.0, 0.0]));
    // The first row wants both, the second the second twice.
    let gains = bits(&[1.0, 0.5, 0.0, 2.0]);
    let h = vec![0; 4];
    let bind = lora_down::Bind { x: &x[..], a: &a, places: &places, gains: &gains, rows: &[], h: &h };
    let params = lora_down::Params { k4: 1, ranks: 2, first: 0, adapters: 2, gather: 0 };
    let h = mirror(lora_down::Variant { reduce: Reduce::Tree }, params, bind, [2, 2]).h;
    close(floats(&h), &[5.0, 3.0, 0.0, 8.0], 1e-6);
    let (b, out) = (bits(&[1.0, 2.0, 3.0, 10.0, 20.0]), bits(&[100.0, 100.0, 100.0, -0.0, 0.0, 0.0]));
    let bind = lora_up::Bind { h: &h[..], b: &b, places: &places, out: &out };
    let out = mirror(lora_up::Variant {}, lora_up::Params { ranks: 2, first: 0, n: 3 }, bind, [1, 2]).out;
    close(floats(&out), &[105.0, 140.0, 175.0, 0.0, 80.0, 160.0], 1e-6);
    // What nobody changes stays to the bit.
    assert_eq!(floats(&out)[3].to_bits(), (-0.0f32).to_bits());
    // Token 1 of a vocabulary of two.
    let (batch, gains) = (vec![1 | 1 << 24, 0, 0, 0], bits(&[0.5, 2.0]));
    let a = bits(&[1.0, 2.0, 3.0, 4.0]);
    let bind = lora_pick::Bind { batch: &batch[..], a: &a, places: &places, gains: &gains, h: &[0, 0] };
    let params = lora_pick::Params { n_vocab: 2, ranks: 2, first: 0, adapters: 2, scale: 10.0 };
    close(floats(&mirror(lora_pick::Variant {}, params, bind, [1, 1]).h), &[10.0, 80.0], 1e-6);
}
