//! Golden blocks, for the tests of quant and of its shaders.

use sotto::quant::{self, TensorType};

/// The file of a type in tests/golden/blocks: its blocks, and their values by the `gguf` Python package.
pub fn golden(kind: TensorType) -> (Vec<u8>, Vec<f32>) {
    let name = kind.name().to_lowercase();
    let path = format!("{}/tests/golden/blocks/{name}.bin", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = std::fs::read(&path).expect(&path);
    let blocks = bytes.len() / (kind.block_bytes() + 4 * kind.block_len());
    let values = bytes.split_off(blocks * kind.block_bytes());
    assert_eq!(values.len(), 4 * blocks * kind.block_len());
    let values = values.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    (bytes, values)
}

/// Blocks repacked, as one buffer of words, and where its planes start.
pub fn pack(kind: TensorType, blocks: &[u8], elements: usize) -> (Vec<u32>, Vec<u64>) {
    let mut planes = vec![Vec::new(); quant::planes(kind).len()];
    quant::repack(kind, blocks, &mut planes);
    let (offsets, total) = quant::plane_offsets(kind, elements as u64);
    let mut bytes = vec![0; total as usize];
    for (plane, &offset) in planes.iter().zip(&offsets) {
        bytes[offset as usize..][..plane.len()].copy_from_slice(plane);
    }
    let words = bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect();
    (words, offsets)
}

/// Equal as numbers: -0 and +0 are one.
#[track_caller]
pub fn assert_same(kind: TensorType, what: &str, got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(got == want, "{} {what}: weight {i} is {got}, not {want}", kind.name());
    }
}
