//! Delta nets.

use sotto::kernels::recurrent::NONE;
use sotto::kernels::table::choices::Reduce;
use sotto::kernels::table::delta;

use super::{BATCHES, from_to};
use crate::F32;
use crate::case::{Case, Data, Runs, bits, close, floats};
use crate::host::mirror;
use crate::random::{Random, poison};

/// What a case is of: heads, those of keys, numbers of each, how many share a key beside each other and how many a piece of
/// decays is of.
#[derive(Clone, Copy, Debug)]
struct Of {
    heads: u32,
    keys: u32,
    n: u32,
    per_key: u32,
    per: u32,
}

pub fn run(rig: &mut impl Runs) {
    let mut random = Random::new(64);
    let shapes = [(1, 1, 4, 1, 1), (6, 2, 20, 1, 6), (6, 3, 16, 2, 2), (3, 1, 68, 1, 3), (4, 2, 128, 2, 2)];
    for reduce in Reduce::ALL {
        for sequences in BATCHES.into_iter().chain([&[(1, 0, 1), (2, 3, 8), (NONE, 4, 16)][..]]) {
            for (heads, keys, n, per_key, per) in shapes {
                for (before, beside) in [(0, 8), (8, 1), (4, 2)] {
                    let of = Of { heads, keys, n, per_key, per };
                    case(rig, &mut random, sequences, of, [before, beside], reduce);
                }
            }
        }
    }
}

fn case(
    rig: &mut impl Runs,
    random: &mut Random,
    sequences: &[(u32, u32, u32)],
    of: Of,
    [before, beside]: [u32; 2],
    reduce: Reduce,
) {
    let Of { heads, keys, n, per_key, per } = of;
    let rows: u32 = sequences.iter().map(|(_, _, rows)| rows).sum();
    let (stride, decay_stride) = ((2 * keys + heads) * n + 8, 2 * heads + 3);
    let kept = before + heads * n * n + 4;
    let mut of_heads = random.floats(2 * heads as usize, 1.0);
    of_heads[heads as usize..].iter_mut().for_each(|a| *a = -0.1 - 0.5 * a.abs());
    // Mostly of one sign: what is left where sums cancel says nothing.
    let qkv: Vec<f32> = random.floats((rows * stride) as usize, 1.0).iter().map(|x| x + 0.5).collect();
    rig.run(Case::new(
        delta::Variant { reduce },
        format!("{sequences:?} of {of:?}, {beside} beside each other"),
        delta::Params {
            rows,
            heads,
            n4: n / 4,
            keys,
            per_key,
            per,
            stride4: stride / 4,
            decay_stride,
            state4: kept / 4,
            first4: before / 4,
            beside,
            eps: 0.5,
        },
        delta::Bind {
            from_to: Data::In(from_to(sequences)),
            qkv: Data::In(bits(&qkv)),
            decays: Data::In(bits(&random.floats((rows * decay_stride) as usize, 3.0))),
            heads: Data::In(bits(&of_heads)),
            states: Data::Out(bits(&random.floats((5 * kept) as usize, 1.0))),
            out: Data::Out(poison((rows * heads * n) as usize)),
        },
        [heads * n.div_ceil(16), beside],
        F32,
    ));
}

/// Of one key head and heads of 4 numbers, all without a bias and with an a of -1.
const ONE: delta::Params = delta::Params {
    rows: 1,
    heads: 1,
    n4: 1,
    keys: 1,
    per_key: 1,
    per: 1,
    stride4: 3,
    decay_stride: 2,
    state4: 4,
    first4: 0,
    beside: 1,
    eps: 0.0,
};

fn by_hand(params: delta::Params, from_to: &[u32], qkv: &[f32], decays: &[f32], states: &[f32]) -> [Vec<f32>; 2] {
    let [qkv, decays, states] = [qkv, decays, states].map(bits);
    let heads = bits(&[vec![0.0; params.heads as usize], vec![-1.0; params.heads as usize]].concat());
    let out = vec![9; (params.rows * params.heads * 4) as usize];
    let bind = delta::Bind { from_to, qkv: &qkv, decays: &decays, heads: &heads, states: &states, out: &out };
    let found = mirror(delta::Variant { reduce: Reduce::Tree }, params, bind, [params.heads, 1]);
    [floats(&found.out).to_vec(), floats(&found.states).to_vec()]
}

#[test]
fn a_delta_net_by_hand() {
    // q is (0, 0, 1, 0) of unit length, k (0.6, 0, 0.8, 0); beta is 1/2, and by softplus(0) = ln 2 states are halved.
    let row = [0.0, 0.0, 2.0, 0.0, 3.0, 0.0, 4.0, 0.0, 1.0, 2.0, 3.0, 0.0];
    let states = [[0.0, 0.0, 8.0, 0.0], [0.0; 4], [0.0; 4], [0.0; 4], [9.0; 4], [9.0; 4], [9.0; 4], [9.0; 4]].concat();
    // It begins: d = v / 2, of which 0.8 / √4 is found.
    let [out, kept] = by_hand(ONE, &from_to(&[(NONE, 1, 1)]), &row, &[0.0; 2], &states);
    close(&out, &[0.2, 0.4, 0.6, 0.0], 1e-6);
    let want = [[0.3, 0.0, 0.4, 0.0], [0.6, 0.0, 0.8, 0.0], [0.9, 0.0, 1.2, 0.0], [0.0; 4]].concat();
    close(&kept[16..], &want, 1e-6);
    // It goes on: of the 8 half are left, which k finds as 3.2; so d = (1 - 3.2) / 2, and out (4 - 1.1 · 0.8) / 2.
    let [out, kept] = by_hand(ONE, &from_to(&[(0, 1, 1)]), &row, &[0.0; 2], &states);
    close(&out, &[1.56, 0.4, 0.6, 0.0], 1e-6);
    close(&kept[16..20], &[-0.66, 0.0, 4.0 - 0.88, 0.0], 1e-6);
    // Twice the same: what a quarter of is there is learnt to 5/8.
    let two = delta::Params { rows: 2, ..ONE };
    let [out, _] = by_hand(two, &from_to(&[(NONE, 1, 2)]), &[row, row].concat(), &[0.0; 4], &states);
    close(&out, &[0.2, 0.4, 0.6, 0.0, 0.25, 0.5, 0.75, 0.0], 1e-6);
    // An epsilon of 75: k and q are divided by √(25 + 75) and √(4 + 75).
    let [out, _] = by_hand(delta::Params { eps: 75.0, ..ONE }, &from_to(&[(NONE, 1, 1)]), &row, &[0.0; 2], &states);
    close(&out[..1], &[0.5 * 8.0 / (2.0 * 79.0_f64.sqrt() * 10.0)], 1e-6);
}

#[test]
fn heads_find_their_keys_and_decays_by_hand() {
    // Keys of head 0 are those of its query, of head 1 others: only the first are found, as 1 / √4.
    let unit = |at: usize| std::array::from_fn::<f32, 4, _>(|i| f32::from(u8::from(i == at)));
    let keys = [unit(0), unit(0), unit(0), unit(1)].concat();
    let row = [keys, [[2.0; 4]; 4].concat()].concat();
    let states = [0.0; 64];
    let run = |per_key: u32, per: u32, decays: [f32; 8]| {
        let four = delta::Params { heads: 4, keys: 2, per_key, per, stride4: 8, decay_stride: 8, state4: 16, ..ONE };
        let [out, _] = by_hand(four, &from_to(&[(NONE, 0, 1)]), &row, &decays, &states);
        [0, 4, 8, 12].map(|at| out[at])
    };
    close(&run(1, 4, [0.0; 8]), &[0.5, 0.0, 0.5, 0.0], 1e-6);
    close(&run(2, 4, [0.0; 8]), &[0.5, 0.5, 0.0, 0.0], 1e-6);
    // A beta of 80 learns everything, one of -80 nothing.
    close(&run(2, 4, [80.0, -80.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]), &[1.0, 0.0, 0.0, 0.0], 1e-6);
    close(&run(1, 2, [80.0, 0.0, 0.0, 0.0, -80.0, 0.0, 0.0, 0.0]), &[1.0, 0.0, 0.0, 0.0], 1e-6);
}
