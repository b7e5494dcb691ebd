//! Block formats: against golden blocks of an independent reader, then each later form against the one before.

use sotto::quant::{self, TensorType};

/// The file of a type in tests/golden/blocks: its blocks, and their values by the `gguf` Python package.
fn golden(kind: TensorType) -> (Vec<u8>, Vec<f32>) {
    let name = kind.name().to_lowercase();
    let path = format!(
        "{}/tests/golden/blocks/{name}.bin",
        env!("CARGO_MANIFEST_DIR")
    );
    let mut bytes = std::fs::read(&path).expect(&path);
    let blocks = bytes.len() / (kind.block_bytes() + 4 * kind.block_len());
    let values = bytes.split_off(blocks * kind.block_bytes());
    assert_eq!(values.len(), 4 * blocks * kind.block_len());
    let values = values
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    (bytes, values)
}

/// Blocks repacked, as one buffer of words, and where its planes start.
fn pack(kind: TensorType, blocks: &[u8], elements: usize) -> (Vec<u32>, Vec<u64>) {
    let mut planes = vec![Vec::new(); quant::planes(kind).len()];
    quant::repack(kind, blocks, &mut planes);
    let (offsets, total) = quant::plane_offsets(kind, elements as u64);
    let mut bytes = vec![0; total as usize];
    for (plane, &offset) in planes.iter().zip(&offsets) {
        bytes[offset as usize..][..plane.len()].copy_from_slice(plane);
    }
    let words = bytes
        .chunks_exact(4)
        .map(|b| u32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    (words, offsets)
}

/// Equal as numbers: -0 and +0 are one.
#[track_caller]
fn assert_same(kind: TensorType, what: &str, got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(
            got == want,
            "{} {what}: weight {i} is {got}, not {want}",
            kind.name()
        );
    }
}

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
        let unit = quant::planes(kind)
            .iter()
            .map(|plane| plane.bytes_per_unit)
            .sum::<usize>();
        let file = quant::UNIT / kind.block_len() * kind.block_bytes();
        assert!(
            unit >= file && unit * 100 <= file * 102,
            "{}: {unit} for {file}",
            kind.name()
        );

        let (offsets, total) = quant::plane_offsets(kind, 256 * 1000 + 1);
        assert!(total >= 1001 * unit as u64 && total < 1001 * unit as u64 + 64);
        assert!(offsets.iter().all(|offset| offset % 16 == 0) && total % 16 == 0);
    }
}
