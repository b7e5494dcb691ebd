//! Activations as integers: the kernel, and what is lost by it.

use sotto::kernels::params::{MatMul, MatVec, Quantize};
use sotto::kernels::product::reference::quantize::Integers;
use sotto::quant::TensorType;

use crate::F32;
use crate::compare::compare_f32;
use crate::gpu::{Case, Data, Rig, floats};
use crate::mirrors::mirror;
use crate::random::{Random, part, poison};

/// Where an activation lies halfway between two integers, the last bit of a quotient says which it becomes: what that
/// makes of one plane, and of two.
pub const ROUNDINGS: [f64; 2] = [1e-5, 1e-10];

/// Rows of activations as records; `planes` of bytes each.
pub fn records(x: &[f32], planes: u32) -> Vec<u32> {
    let mut words = vec![0; x.len() / 32 * Integers::words(planes)];
    for (x, record) in x.chunks_exact(32).zip(words.chunks_exact_mut(Integers::words(planes))) {
        Integers::new(x, planes).write(planes, record);
    }
    words
}

pub fn run(rig: &mut Rig) {
    let mut random = Random::new(21);
    for planes in [1, 2] {
        for (k, rows) in [(32, 1), (96, 5), (2048, 2), (2080, 3), (4128, 1)] {
            let mut x = random.floats((k * rows) as usize, 3.0);
            // A block of nothing, and one of a single number.
            x[..32].fill(0.0);
            if k > 64 {
                x[32..63].fill(0.0);
            }
            rig.run(Case {
                variant: format!("quantize.planes{planes}"),
                what: format!("{k} of {rows} rows"),
                params: Quantize { k_blocks: k / 32, pad: [0; 3] },
                buffers: vec![
                    Data::In(floats(&x)),
                    Data::OutPlanes(poison(x.len() / 32 * Integers::words(planes)), planes),
                ],
                grid: [(k / 32).div_ceil(64), rows],
                ceiling: if rig.divides_exactly() { F32 } else { ROUNDINGS[planes as usize - 1] },
            });
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

#[test]
fn products_of_integers_are_those_of_floats() {
    let mut random = Random::new(23);
    let (n, k, m) = (9u32, 2144u32, 3u32);
    for kind in TensorType::ALL.into_iter().filter(|kind| kind.is_quantized()) {
        let part = part(&mut random, kind, (n * k) as usize, 0);
        let (format, k_blocks, planes) = (kind.name().to_lowercase(), k / 32, part.planes);
        let [rest, none, out] = [vec![0; 4], vec![0; 4], vec![0; (n * m) as usize]];
        let vec = MatVec { planes, n, k_blocks, out_stride: n, lanes: 16, ..MatVec::default() };
        let mat = MatMul { planes, n, k_blocks, out_stride: n, m, ..MatMul::default() };
        let matvec = |variant: &str, x: &[f32]| {
            let x = floats(x);
            let inputs: [&[u32]; 7] = [&part.words, &part.words, &x, &rest, &none, &none, &out];
            mirror(&format!("matvec{variant}"), vec, &inputs, [1, m])[6].clone()
        };
        let matmul = |variant: &str, x: &[u32]| {
            let inputs: [&[u32]; 5] = [&part.words, &part.words, x, &rest, &out];
            mirror(&format!("matmul{variant}"), mat, &inputs, [1, 1])[4].clone()
        };
        for (integers, most, allowed) in [(1, 127, 1e-4), (2, 16256, 1e-8)] {
            let vector = format!("_dot.{format}.tree.planes{integers}");
            let matrix = format!("_dot.{format}.rows64.planes{integers}");
            // Integers of a power of two, the largest in each block: nothing is lost.
            let d = 1.0 / 512.0;
            let whole: Vec<f32> = (0..m * k)
                .map(|i| if i % 32 == 5 { most as f32 * d } else { (random.unit() * most as f32).round() * d })
                .collect();
            let want = matvec(&format!(".{format}.tree"), &whole);
            assert!(want == matvec(&vector, &whole), "{vector}");
            assert!(want == matmul(&matrix, &records(&whole, integers)), "{matrix}");
            // Any others.
            let x = random.floats((m * k) as usize, 1.0);
            let want = matvec(&format!(".{format}.tree"), &x);
            for (name, got) in [(&vector, matvec(&vector, &x)), (&matrix, matmul(&matrix, &records(&x, integers)))] {
                let lost = compare_f32(&out, &want, &got).expect("numbers");
                assert!(lost > 0.0 && lost < allowed, "{name} loses {lost:.1e}");
            }
        }
    }
}
