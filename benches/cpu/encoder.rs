//! What an encoder of all-MiniLM-L6-v2's shapes computes for a batch of texts: products of many rows, which need not give the
//! bits of those of one, and its GELU.

use sotto::kernels::job::{Exactness, Together};
use sotto::kernels::table::choices::{Op, X};
use sotto::kernels::table::{map, matmul};
use sotto::quant::{self, TensorType};

use super::cases::{Case, floats};

const EMBD: u32 = 384;
const FF: u32 = 4 * EMBD;
const ROWS: u32 = 240;

pub fn cases() -> Vec<Case> {
    let types = [
        (TensorType::F32, "encoder f32, 240 rows"),
        (TensorType::F16, "encoder f16, 240 rows"),
        (TensorType::Q8_0, "encoder q8_0, 240 rows"),
        (TensorType::Q4_0, "encoder q4_0, 240 rows"),
        (TensorType::Q5_1, "encoder q5_1, 240 rows"),
        (TensorType::Q4_K, "encoder q4_k, 240 rows"),
        (TensorType::Q6_K, "encoder q6_k, 240 rows"),
        (TensorType::IQ4_NL, "encoder iq4_nl, 240 rows"),
    ];
    let mut cases: Vec<Case> = types.map(|(format, name)| product(format, name, ROWS)).into();
    // As it is where rows are to give the bits of single ones.
    let alone = Exactness::default();
    cases.push(product(TensorType::Q8_0, "decoder q8_0, 240 rows", ROWS).exactness(alone));
    for (format, names) in [
        (TensorType::F16, ["encoder f16, 4 rows", "encoder f16, 32 rows", "decoder f16, 4 rows"]),
        (TensorType::Q8_0, ["encoder q8_0, 4 rows", "encoder q8_0, 32 rows", "decoder q8_0, 4 rows"]),
        (TensorType::Q4_K, ["encoder q4_k, 4 rows", "encoder q4_k, 32 rows", "decoder q4_k, 4 rows"]),
    ] {
        cases.extend([product(format, names[0], 4), product(format, names[1], 32)]);
        cases.push(product(format, names[2], 4).exactness(alone));
    }
    cases.push(gelu());
    cases
}

/// The second product of a feed-forward network, with its bias.
fn product(format: TensorType, name: &'static str, m: u32) -> Case {
    let (n, k) = (EMBD, FF);
    let (offsets, bytes) = quant::plane_offsets(format, u64::from(n * k));
    let mut planes = [0; 4];
    planes.iter_mut().zip(&offsets).for_each(|(plane, at)| *plane = (at / 4) as u32);
    let params =
        matmul::Params { planes, n, k_blocks: k / 32, out_stride: n, m, scale: 1.0, has_bias: 1, ..Default::default() };
    let bind = matmul::Bind {
        weights: vec![0x1c1c_1c1c; bytes as usize / 4],
        x: floats(k * m, 1.0),
        bias: floats(n, 1.0),
        out: vec![0; (n * m) as usize],
    };
    let case = Case::new(name, matmul::Variant { format, x: X::Direct }, params, [1, 1], bind);
    let exactness = Exactness { bytes: false, together: Together::Rounded };
    case.exactness(exactness).costs(0.0, bytes as f64, f64::from(n) * f64::from(k) * f64::from(m))
}

fn gelu() -> Case {
    let numbers = FF * ROWS;
    let bind = map::Bind { x: floats(numbers, 4.0), out: vec![0; numbers as usize] };
    let params = map::Params { curve: [0.0; 4], n4: FF / 4, gated: 0 };
    let variant = map::Variant { op: Op::GeluErfGlu };
    Case::new("encoder GELU, 240 rows", variant, params, [1, ROWS], bind).costs(
        0.0,
        8.0 * f64::from(numbers),
        20.0 * f64::from(numbers),
    )
}
