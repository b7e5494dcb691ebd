//! Mixtures of experts: who is chosen, and what becomes of it; their products are in `products.rs`.

mod by_hand;
pub mod products;

use sotto::kernels::table::{combine, group, route};

use crate::F32;
use crate::case::{Case, Data, Runs, bits};
use crate::random::{Random, poison};

/// What an exponential rounds shows in a weight.
const SCORED: f64 = 1e-11;

pub fn run(rig: &mut impl Runs) {
    routed(rig);
    grouped(rig);
    combined(rig);
}

fn routed(rig: &mut impl Runs) {
    let mut random = Random::new(51);
    // (experts, those used, room before and behind, groups of which so many are used, rows)
    for (n, used, first, stride, groups, groups_used, rows) in [
        (1, 1, 5, 6, 1, 1, 3),
        (8, 2, 0, 8, 1, 1, 5),
        (60, 4, 0, 61, 1, 1, 2),
        (64, 8, 0, 64, 1, 1, 1),
        (130, 9, 3, 140, 1, 1, 4),
        (512, 10, 0, 512, 1, 1, 2),
        (512, 66, 0, 512, 1, 1, 1),
        (16, 3, 0, 16, 4, 2, 7),
        (256, 8, 1, 260, 8, 4, 3),
        (140, 5, 0, 140, 70, 9, 2),
    ] {
        for (scores, normed, has_bias, has_factors) in
            [(1, 1, 0, 1), (1, 0, 1, 0), (2, 1, 1, 0), (2, 0, 0, 0), (3, 0, 0, 1)]
        {
            let of_experts = |random: &mut Random, wanted: u32, size: f32| match wanted {
                1 => Data::In(bits(&random.floats(n as usize, size))),
                _ => Data::In(poison(4)),
            };
            rig.run(Case::new(
                route::Variant {},
                format!("{used} of {n} experts for {rows} rows, {groups_used} of {groups} groups, scores {scores}, normed {normed}"),
                route::Params { n, stride, first, used, scores, normed, has_bias, groups, groups_used, scale: 2.5, has_factors },
                route::Bind {
                    z: Data::In(bits(&random.floats((rows * stride) as usize, 4.0))),
                    bias: of_experts(&mut random, has_bias, 0.3),
                    factors: of_experts(&mut random, has_factors, 2.0),
                    choices: Data::Out(poison((2 * rows * used) as usize)),
                },
                [1, rows],
                SCORED,
            ));
        }
    }
}

/// (expert, weight) of each row, no expert twice.
pub fn choices(random: &mut Random, n: u32, used: u32, rows: u32) -> Vec<f32> {
    let row = |random: &mut Random| {
        let mut experts: Vec<u32> = (0..n).collect();
        (0..used).for_each(|i| experts.swap(i as usize, (i + random.next() as u32 % (n - i)) as usize));
        experts[..used as usize].iter().flat_map(|&expert| [expert as f32, random.unit()]).collect::<Vec<f32>>()
    };
    (0..rows).flat_map(|_| row(random)).collect()
}

/// Tiles that there is room for.
pub fn room(n: u32, pairs: u32) -> u32 {
    pairs / group::TILE + pairs.min(n)
}

fn grouped(rig: &mut impl Runs) {
    let mut random = Random::new(52);
    for (n, used, rows) in [(1, 1, 1), (3, 1, 200), (8, 2, 5), (60, 4, 33), (128, 8, 64), (512, 10, 7), (4, 4, 130)] {
        let pairs = used * rows;
        let tiles = room(n, pairs);
        rig.run(Case::new(
            group::Variant {},
            format!("{used} of {n} experts for {rows} rows"),
            group::Params { n, pairs, tiles },
            group::Bind {
                choices: Data::In(bits(&choices(&mut random, n, used, rows))),
                order: Data::OutWords(poison(pairs as usize)),
                tiles: Data::OutWords(poison(4 * tiles as usize)),
            },
            [1, n],
            0.0,
        ));
    }
}

fn combined(rig: &mut impl Runs) {
    let mut random = Random::new(53);
    for (k, used, rows, accumulate) in [(4, 1, 1, 0), (96, 2, 3, 1), (260, 8, 5, 1), (2048, 3, 2, 0)] {
        let out = (rows * k) as usize;
        rig.run(Case::new(
            combine::Variant {},
            format!("{used} of {rows} rows of {k}, accumulate {accumulate}"),
            combine::Params { k4: k / 4, used, accumulate },
            combine::Bind {
                choices: Data::In(bits(&choices(&mut random, 9, used, rows))),
                y: Data::In(bits(&random.floats((rows * used * k) as usize, 2.0))),
                out: Data::Out(if accumulate == 1 { bits(&random.floats(out, 1.0)) } else { poison(out) }),
            },
            [(k / 4).div_ceil(combine::THREADS), rows],
            F32,
        ));
    }
}
