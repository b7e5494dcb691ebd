//! Activations as integers: the kernel, and what is lost by it.

use sotto::kernels::product::integers::Integers;
use sotto::kernels::table::choices::{Planes, Quantized, Reduce};
use sotto::kernels::table::{matmul, matmul_dot, matvec, matvec_dot, quantize};

use super::{Matmul, Matvec};
use crate::F32;
use crate::case::{Case, Data, Runs, bits, compare_f32};
use crate::gpu::Rig;
use crate::host::mirror;
use crate::random::{Part, Random, part, poison};

/// Where an activation lies halfway between two integers, the last bit of a quotient says which it becomes: what that
/// makes of one plane, and of two: as much as integers cost at all. Cards multiply and add in one rounding, or in two.
pub fn rounding(planes: Planes) -> f64 {
    match planes {
        Planes::N1 => 1e-5,
        Planes::N2 => 2e-9,
    }
}

/// Rows of activations as records; `planes` of bytes each.
pub fn records(x: &[f32], planes: Planes) -> Vec<u32> {
    let planes = planes.value();
    let mut words = vec![0; x.len() / 32 * Integers::words(planes)];
    for (x, record) in x.chunks_exact(32).zip(words.chunks_exact_mut(Integers::words(planes))) {
        Integers::new(x, planes).write(planes, record);
    }
    words
}

pub fn run(rig: &mut Rig) {
    let mut random = Random::new(21);
    let exact = rig.divides_exactly();
    for planes in Planes::ALL {
        for (k, rows) in [(32, 1), (96, 5), (2048, 2), (2080, 3), (4128, 1)] {
            let mut x = random.floats((k * rows) as usize, 3.0);
            // A block of nothing, and one of a single number.
            x[..32].fill(0.0);
            if k > 64 {
                x[32..63].fill(0.0);
            }
            let records = poison(x.len() / 32 * Integers::words(planes.value()));
            rig.run(Case::new(
                quantize::Variant { planes },
                format!("{k} of {rows} rows"),
                quantize::Params { k_blocks: k / 32 },
                quantize::Bind { x: Data::In(bits(&x)), out: Data::OutPlanes(records, planes) },
                [(k / 32).div_ceil(quantize::THREADS), rows],
                if exact { F32 } else { rounding(planes) },
            ));
        }
    }
}

#[test]
fn integers_by_hand() {
    // 127 and 126.5 halves: d is a half, and halfway goes to even.
    let mut x = [0.0; 32];
    x[..6].copy_from_slice(&[63.5, -63.5, 1.0, -0.75, 0.25, 31.75]);
    let one = Integers::new(&x, 1);
    assert_eq!((one.d, &one.v[..6]), (0.5, &[127, -127, 2, -2, 0, 64][..]));
    // 16256 quarters.
    x[..6].copy_from_slice(&[-4064.0, 4063.75, 16.0, -16.0, 16.0, 0.1]);
    x[31] = 0.25;
    let two = Integers::new(&x, 2);
    assert_eq!((two.d, &two.v[..6]), (0.25, &[-16256, 16255, 64, -64, 64, 0][..]));
    // d, sums of the halves and of all, then the planes: 128 * 127 - 1, and 64 as 128 - 64.
    let mut record = [0; 20];
    two.write(2, &mut record);
    assert_eq!(record[..4], [0.25, 15.75, 0.25, 16.0].map(f32::to_bits));
    assert_eq!([record[4], record[5], record[12], record[13]], [0x0001_7f81, 1, 0xc0c0_ff00, 0x0000_00c0]);
    assert_eq!(Integers::read(2, &record), two);
    assert_eq!(Integers::new(&[0.0; 32], 2), Integers { d: 0.0, v: [0; 32] });
    // What is no number stays none.
    x[7] = f32::NAN;
    assert!(Integers::new(&x, 2).d.is_nan() && Integers::new(&x, 1).values()[0].is_nan());
    x[7] = f32::INFINITY;
    assert!(Integers::new(&x, 2).values()[0].is_nan());
}

#[test]
fn fifteen_bits_lose_nothing_that_counts_and_eight_little() {
    let mut random = Random::new(22);
    let x = random.floats(1 << 16, 1.0);
    for (planes, least, most) in [(2, 2e-10, 2e-9), (1, 3e-6, 3e-5)] {
        let (mut error, mut norm) = (0.0, 0.0);
        for x in x.chunks_exact(32) {
            for (&x, y) in x.iter().zip(Integers::new(x, planes).values()) {
                error += (x as f64 - y).powi(2);
                norm += (x as f64).powi(2);
            }
        }
        let lost = error / norm;
        assert!(least < lost && lost < most, "{planes} planes lose {lost:.1e}");
    }
}

/// Rows of a matrix, and rows of activations.
const N: u32 = 9;
const K: u32 = 2144;
const M: u32 = 3;

fn multiply_rows(variant: impl Matvec, part: &Part, x: &[f32]) -> Vec<u32> {
    let params = matvec::Params {
        planes: part.planes,
        n: N,
        k_blocks: K / 32,
        out_stride: N,
        lanes: 16,
        scale: 1.0,
        m: M,
        ..Default::default()
    };
    let (weights, none) = (&part.words[..], &[0; 4][..]);
    let (x, out) = (&bits(x)[..], &[0; (N * M) as usize][..]);
    mirror(variant, params, matvec::Bind { weights, x, bias: none, norm: none, rows: none, out }, [1, M]).out
}

fn multiply_matrices(variant: impl Matmul, part: &Part, x: &[u32]) -> Vec<u32> {
    let params = matmul::Params {
        planes: part.planes,
        n: N,
        k_blocks: K / 32,
        out_stride: N,
        m: M,
        scale: 1.0,
        ..Default::default()
    };
    let (weights, bias, out) = (&part.words[..], &[0; 4][..], &[0; (N * M) as usize][..]);
    mirror(variant, params, matmul::Bind { weights, x, bias, out }, [1, 1]).out
}

#[test]
fn products_of_integers_are_those_of_floats() {
    let mut random = Random::new(23);
    let reduce = Reduce::Tree;
    for format in Quantized::ALL {
        let part = part(&mut random, format.into(), (N * K) as usize, 0);
        let floats = matvec::Variant { format: format.into(), reduce };
        for (planes, most, allowed) in [(Planes::N1, 127, 1e-4), (Planes::N2, 16256, 1e-8)] {
            let vector = matvec_dot::Variant { format, reduce, planes };
            let matrix = matmul_dot::Variant { format, rows: matmul_dot::Rows::N64, planes };
            // Integers of a power of two, the largest in each block: nothing is lost.
            let d = 1.0 / 512.0;
            let whole: Vec<f32> = (0..M * K)
                .map(|i| if i % 32 == 5 { most as f32 * d } else { (random.unit() * most as f32).round() * d })
                .collect();
            let want = multiply_rows(floats, &part, &whole);
            assert!(want == multiply_rows(vector, &part, &whole), "{vector:?}");
            assert!(want == multiply_matrices(matrix, &part, &records(&whole, planes)), "{matrix:?}");
            // Any others.
            let x = random.floats((M * K) as usize, 1.0);
            let want = multiply_rows(floats, &part, &x);
            let by_vector = multiply_rows(vector, &part, &x);
            let by_matrix = multiply_matrices(matrix, &part, &records(&x, planes));
            for (name, got) in [("matvec", by_vector), ("matmul", by_matrix)] {
                let lost = compare_f32(&[0; (N * M) as usize], &want, &got).expect("numbers");
                assert!(lost > 0.0 && lost < allowed, "{name} of {format:?} with {planes:?} loses {lost:.1e}");
            }
        }
    }
}
