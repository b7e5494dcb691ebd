//! How weights lie in a GPU buffer: planes, one after the other.
//!
//! Weights are addressed by *block* of 32, whatever the type. A block's weights become 32 small
//! integers, each in a byte, four bytes to a word: word j (0..8) holds weights 4j..4j+3. The bytes
//! are cut into bit fields; each field has its plane, so that a lane reads it in one wide load:
//!
//! - A plane of n-bit fields has n words per block. The field of weight 4j+i is in word j / (8/n),
//!   at bit 8i + n·(j mod 8/n): a shift and a mask bring four of them into place at once.
//! - After the field planes come the scales, by type: see the shader of the type in `shaders/formats`.
//!
//! A type without planes of its own has those of [`TensorType::stored`]: fewer formats, each with good kernels, are worth
//! more than the bytes that a grid's index would save.
//!
//! Symmetric types (w = d·q) keep q as two's complement in the *top* bits of its byte: the
//! shader then has a signed byte 2^s·q without extending a sign, and divides d by 2^s.
//! Sizes are for *units* of 256 weights, since K-quants have scales for so many; the last unit is
//! filled with zeros. Floats are one plane in file order.

use super::TensorType;

/// Weights per unit, the smallest piece that repacking writes.
pub const UNIT: usize = 256;

/// Weights per block as the shaders count them.
pub const BLOCK: usize = 32;

/// One plane of a tensor type: what 32 weights take in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaneSpec {
    /// Bytes for 256 weights.
    pub bytes_per_unit: usize,
}

/// `bits` of each weight's byte, the lowest at bit `shift`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub bits: usize,
    pub shift: usize,
}

pub(super) struct GpuLayout {
    /// One plane each, before the planes of scales.
    pub fields: &'static [Field],
    pub planes: &'static [PlaneSpec],
}

macro_rules! layout {
    ([$($bits:literal at $shift:literal),*] [$($bytes:literal),+]) => {
        GpuLayout {
            fields: &[$(Field { bits: $bits, shift: $shift }),*],
            planes: &[$(PlaneSpec { bytes_per_unit: $bytes }),+],
        }
    };
}

pub(super) fn gpu_layout(kind: TensorType) -> GpuLayout {
    match kind.stored() {
        TensorType::F32 => layout!([][1024]),
        TensorType::F16 | TensorType::BF16 => layout!([][512]),
        TensorType::Q4_0 => layout!([4 at 4] [128, 16]),
        TensorType::Q4_1 | TensorType::MXFP4 => layout!([4 at 0] [128, 32]),
        TensorType::Q5_0 => layout!([4 at 4, 1 at 3] [128, 32, 16]),
        TensorType::Q5_1 => layout!([4 at 0, 1 at 4] [128, 32, 32]),
        TensorType::Q8_0 => layout!([8 at 0] [256, 16]),
        TensorType::Q2_K => layout!([2 at 0] [64, 16, 4]),
        TensorType::Q3_K => layout!([2 at 6, 1 at 5] [64, 32, 16]),
        TensorType::Q4_K | TensorType::IQ4_NL => layout!([4 at 0] [128, 16]),
        TensorType::Q5_K => layout!([4 at 0, 1 at 4] [128, 32, 16]),
        TensorType::Q6_K => layout!([4 at 4, 2 at 2] [128, 64, 16, 2]),
        TensorType::IQ4_XS => layout!([4 at 0] [128, 8, 2]),
        TensorType::IQ2_S => layout!([2 at 0, 1 at 2] [64, 32, 16]),
        TensorType::Q2_0 => layout!([2 at 0] [64, 8]),
        TensorType::Q1_0 => layout!([1 at 0] [32, 4]),
        other => unreachable!("{other:?} is stored as another type"),
    }
}

/// The planes of a type, in buffer order.
pub fn planes(kind: TensorType) -> &'static [PlaneSpec] {
    gpu_layout(kind).planes
}

/// Where each plane of `elements` weights starts, and the size of all of them, in bytes.
/// All are multiples of 16.
pub fn plane_offsets(kind: TensorType, elements: u64) -> (Vec<u64>, u64) {
    let units = elements.div_ceil(UNIT as u64);
    let mut end = 0u64;
    let offsets = planes(kind)
        .iter()
        .map(|plane| {
            let start = end;
            let bytes = units.saturating_mul(plane.bytes_per_unit as u64);
            end = end.saturating_add(bytes.saturating_add(15) & !15);
            start
        })
        .collect();
    (offsets, end)
}
