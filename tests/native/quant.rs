//! Block formats: against golden blocks of an independent reader, then each later form against the one before.

use std::collections::{HashMap, HashSet};

use crate::common::blocks::{assert_same, golden, pack};
use sotto::quant;
use sotto::quant::TensorType::{
    self, IQ1_M, IQ1_S, IQ2_S, IQ2_XS, IQ2_XXS, IQ3_S, IQ3_XXS, MXFP4, NVFP4, TQ1_0, TQ2_0,
};

#[test]
fn dequantization_gives_the_golden_values() {
    for kind in TensorType::ALL {
        let (blocks, want) = golden(kind);
        let mut got = vec![f32::NAN; want.len()];
        quant::dequantize(kind, &blocks, &mut got);
        assert_same(kind, "dequantized", &got, &want);
    }
}

#[test]
fn planes_hold_the_same_weights_as_the_blocks() {
    for kind in TensorType::ALL {
        let (blocks, want) = golden(kind);
        for count in [1, 2, want.len() / kind.block_len()] {
            let elements = count * kind.block_len();
            let (words, offsets) = pack(kind, &blocks[..count * kind.block_bytes()], elements);
            let mut got = vec![f32::NAN; elements];
            quant::dequantize_packed(kind, &words, &offsets, &mut got);
            assert_same(kind, "repacked", &got, &want[..elements]);
        }
    }
}

#[test]
fn repacking_in_pieces_is_repacking_at_once() {
    for kind in TensorType::ALL {
        let blocks = golden(kind).0;
        let mut whole = vec![Vec::new(); quant::planes(kind).len()];
        quant::repack(kind, &blocks, &mut whole);
        let mut pieces = vec![Vec::new(); whole.len()];
        for piece in blocks.chunks(quant::UNIT / kind.block_len() * kind.block_bytes()) {
            quant::repack(kind, piece, &mut pieces);
        }
        assert!(whole == pieces, "{}", kind.name());
        for (plane, spec) in whole.iter().zip(quant::planes(kind)) {
            assert_eq!(plane.len() % spec.bytes_per_unit, 0, "{}", kind.name());
        }
    }
}

#[test]
fn planes_take_about_the_bytes_of_the_file() {
    for kind in TensorType::ALL {
        let unit = quant::planes(kind).iter().map(|plane| plane.bytes_per_unit).sum::<usize>();
        let file = quant::UNIT / kind.block_len() * kind.block_bytes();
        let most = match kind {
            // What it costs to have another type's planes (docs/USAGE.md says so).
            IQ1_S | IQ1_M => 225,
            IQ2_XXS | IQ2_XS | IQ2_S => 170,
            IQ3_XXS | IQ3_S | TQ1_0 => 142,
            MXFP4 | NVFP4 | TQ2_0 => 118,
            _ => 102,
        };
        assert!(unit >= file && unit * 100 <= file * most, "{}: {unit} for {file}", kind.name());

        let (offsets, total) = quant::plane_offsets(kind, 256 * 1000 + 1);
        assert!(total >= 1001 * unit as u64 && total < 1001 * unit as u64 + 64);
        assert!(offsets.iter().all(|offset| offset % 16 == 0) && total % 16 == 0);
    }
}

#[test]
fn incomplete_blocks_are_left_out() {
    for kind in TensorType::ALL {
        let (blocks, want) = golden(kind);
        let (size, len) = (kind.block_bytes(), kind.block_len());
        for cut in 0..2 * size {
            let whole = cut / size * len;
            let mut got = vec![f32::NAN; 2 * len];
            quant::dequantize(kind, &blocks[..cut], &mut got);
            assert_same(kind, "cut", &got[..whole], &want[..whole]);
            assert!(got[whole..].iter().all(|v| v.is_nan()));

            let (words, offsets) = pack(kind, &blocks[..cut], 2 * len);
            quant::dequantize_packed(kind, &words, &offsets, &mut got);
            assert_same(kind, "cut and repacked", &got[..whole], &want[..whole]);
            assert!(got[whole..].iter().all(|&v| v == 0.0));
        }
    }
}

#[derive(serde::Deserialize)]
struct Quantized {
    bits: Vec<u32>,
    blocks: HashMap<String, String>,
    #[serde(rename = "super")]
    large: Large,
}

#[derive(serde::Deserialize)]
struct Large {
    bits: Vec<u32>,
    importance: Vec<u32>,
    blocks: HashMap<String, String>,
    by_importance: HashMap<String, String>,
}

#[test]
fn quantising_gives_the_bytes_of_the_reference() {
    let Quantized { bits, blocks, large } = crate::common::run::golden("quantized.json");
    let floats = |bits: Vec<u32>| -> Vec<f32> { bits.into_iter().map(f32::from_bits).collect() };
    let weights = floats(bits);
    let (rows, importance) = (floats(large.bits), floats(large.importance));
    let mut left: HashSet<TensorType> = TensorType::WRITTEN.into_iter().collect();
    let mut check = |named: &HashMap<String, String>, what: &str, write: &dyn Fn(TensorType, &mut Vec<u8>)| {
        for (name, want) in named {
            let kind = TensorType::WRITTEN.into_iter().find(|kind| kind.name() == name).expect("a type");
            let mut got = Vec::new();
            write(kind, &mut got);
            let got: Vec<String> = got.chunks(kind.block_bytes()).map(hex).collect();
            let want: Vec<&str> =
                want.as_bytes().chunks(2 * kind.block_bytes()).map(|hex| str::from_utf8(hex).unwrap()).collect();
            for (at, (got, want)) in got.iter().zip(&want).enumerate() {
                assert_eq!(got, want, "{kind:?} {what}, block {at}");
            }
            assert_eq!(got.len(), want.len());
            left.remove(&kind);
        }
    };
    check(&blocks, "of 32", &|kind, out| quant::quantize(kind, &weights, out));
    check(&large.blocks, "of 256", &|kind, out| quant::quantize(kind, &rows, out));
    check(&large.by_importance, "by importance", &|kind, out| quant::quantize_by(kind, &rows, &importance, out));
    assert_eq!(left, HashSet::from([TensorType::F32]));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
