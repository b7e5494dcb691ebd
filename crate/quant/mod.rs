//! Tensor types: how many weights a block holds, in how many bytes.
//!
//! A quantized tensor is a run of blocks. A block holds `block_len` weights as small integers
//! that share one or more scales. The layouts are those of GGUF files (ggml's `block_*` structs).
//!
//! - [`dequantize`]: file blocks → f32, the ground truth.
//! - [`repack`]: file blocks → the planes that shaders read; [`plane_offsets`] says where they go.
//! - [`widen`]: file blocks → those of a type that holds the same numbers.
//! - [`quantize`]: f32 → file blocks.
//! - [`load_block`], [`dequantize_packed`]: planes → f32, the mirrors of `shaders/formats`.
//!
//! ```
//! use sotto_fast::quant::{TensorType, dequantize};
//!
//! // A block of Q8_0: its scale, the half 0.5, and 32 bytes.
//! let mut block = vec![0x00, 0x38];
//! block.extend(0..32);
//! let mut weights = [0.0; 32];
//! dequantize(TensorType::Q8_0, &block, &mut weights);
//! assert_eq!(weights[3], 1.5);
//! ```

mod dequantize;
mod grids;
mod layout;
mod packed;
mod quantize;
mod repack;
mod widen;

pub use dequantize::dequantize;
pub(crate) use grids::{BOOKS, FP4};
pub use layout::{BLOCK, PlaneSpec, UNIT, plane_offsets, planes};
pub use packed::{Block, Packed, dequantize_packed, load_block, load_packed};
pub use quantize::{quantize, quantize_by};
pub use repack::repack;
pub use widen::{common, widen};

/// How a tensor's elements are stored in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(non_camel_case_types, reason = "the names that files and people use")]
pub enum TensorType {
    /// 32-bit floats.
    F32,
    /// 16-bit floats (IEEE half).
    F16,
    /// The upper 16 bits of 32-bit floats.
    BF16,
    /// Blocks of 32: 4 bits, a scale.
    Q4_0,
    /// Blocks of 32: 4 bits, a scale and a minimum.
    Q4_1,
    /// Blocks of 32: 5 bits, a scale.
    Q5_0,
    /// Blocks of 32: 5 bits, a scale and a minimum.
    Q5_1,
    /// Blocks of 32: 8 bits, a scale.
    Q8_0,
    /// Blocks of 256: 2 bits, 16 scales and minima of 4 bits.
    Q2_K,
    /// Blocks of 256: 3 bits, 16 scales of 6 bits.
    Q3_K,
    /// Blocks of 256: 4 bits, 8 scales and minima of 6 bits.
    Q4_K,
    /// Blocks of 256: 5 bits, 8 scales and minima of 6 bits.
    Q5_K,
    /// Blocks of 256: 6 bits, 16 scales of 8 bits.
    Q6_K,
    /// Blocks of 32: 4-bit codes of unevenly spaced values, a scale.
    IQ4_NL,
    /// Blocks of 256: the same codes, 8 scales of 6 bits.
    IQ4_XS,
    /// Blocks of 32: floats of 4 bits, a power of two.
    MXFP4,
    /// Blocks of 256: eight weights out of a grid of 1024, their signs, 16 scales of 4 bits.
    IQ2_S,
    /// Blocks of 64: 2 bits, a scale.
    Q2_0,
    /// Blocks of 128: signs alone, a scale.
    Q1_0,
    /// Blocks of 64: floats of 4 bits, a float of 8 bits for each 16.
    NVFP4,
    /// Blocks of 256: -1, 0 and 1, five in a byte, a scale.
    TQ1_0,
    /// Blocks of 256: -1, 0 and 1 in 2 bits, a scale.
    TQ2_0,
    /// Blocks of 256: four weights out of a grid of 512, their signs, 8 scales of 4 bits.
    IQ3_S,
    /// Blocks of 256: the same of a grid of 256.
    IQ3_XXS,
    /// Blocks of 256: eight weights out of a grid of 512, their signs, 16 scales of 4 bits.
    IQ2_XS,
    /// Blocks of 256: the same of a grid of 256, 8 scales.
    IQ2_XXS,
    /// Blocks of 256: eight of -1, 0 and 1 out of a grid of 2048, 8 scales of 3 bits and small shifts.
    IQ1_S,
    /// Blocks of 256: the same, 16 scales, and a shift for each eight.
    IQ1_M,
}

struct Layout {
    kind: TensorType,
    /// The number in a GGUF tensor record.
    id: u32,
    name: &'static str,
    block_len: usize,
    block_bytes: usize,
}

macro_rules! layouts {
    ($($kind:ident = $id:literal: $block_len:literal in $block_bytes:literal;)+) => {
        &[$(Layout {
            kind: TensorType::$kind,
            id: $id,
            name: stringify!($kind),
            block_len: $block_len,
            block_bytes: $block_bytes,
        }),+]
    };
}

/// One row a type, in the order of the enum.
const LAYOUTS: &[Layout] = layouts! {
    F32  =  0:   1 in   4;
    F16  =  1:   1 in   2;
    BF16 = 30:   1 in   2;
    Q4_0 =  2:  32 in  18;
    Q4_1 =  3:  32 in  20;
    Q5_0 =  6:  32 in  22;
    Q5_1 =  7:  32 in  24;
    Q8_0 =  8:  32 in  34;
    Q2_K = 10: 256 in  84;
    Q3_K = 11: 256 in 110;
    Q4_K = 12: 256 in 144;
    Q5_K = 13: 256 in 176;
    Q6_K = 14: 256 in 210;
    IQ4_NL = 20: 32 in 18;
    IQ4_XS = 23: 256 in 136;
    MXFP4 = 39: 32 in 17;
    IQ2_S = 22: 256 in 82;
    Q2_0 = 42: 64 in 18;
    Q1_0 = 41: 128 in 18;
    NVFP4 = 40: 64 in 36;
    TQ1_0 = 34: 256 in 54;
    TQ2_0 = 35: 256 in 66;
    IQ3_S = 21: 256 in 110;
    IQ3_XXS = 18: 256 in 98;
    IQ2_XS = 17: 256 in 74;
    IQ2_XXS = 16: 256 in 66;
    IQ1_S = 19: 256 in 50;
    IQ1_M = 29: 256 in 56;
};

impl TensorType {
    /// Every type that is read, first those of [`TensorType::FORMATS`].
    pub const ALL: [TensorType; 28] = [
        TensorType::F32,
        TensorType::F16,
        TensorType::BF16,
        TensorType::Q4_0,
        TensorType::Q4_1,
        TensorType::Q5_0,
        TensorType::Q5_1,
        TensorType::Q8_0,
        TensorType::Q2_K,
        TensorType::Q3_K,
        TensorType::Q4_K,
        TensorType::Q5_K,
        TensorType::Q6_K,
        TensorType::IQ4_NL,
        TensorType::IQ4_XS,
        TensorType::MXFP4,
        TensorType::IQ2_S,
        TensorType::Q2_0,
        TensorType::Q1_0,
        TensorType::NVFP4,
        TensorType::TQ1_0,
        TensorType::TQ2_0,
        TensorType::IQ3_S,
        TensorType::IQ3_XXS,
        TensorType::IQ2_XS,
        TensorType::IQ2_XXS,
        TensorType::IQ1_S,
        TensorType::IQ1_M,
    ];

    /// Those that kernels read. The weights of every other type are the same numbers in the planes of one of these.
    pub const FORMATS: &[TensorType] = TensorType::ALL.split_at(19).0;

    /// The type in whose planes the device holds this one's weights.
    pub fn stored(self) -> TensorType {
        match self {
            TensorType::IQ3_S | TensorType::IQ3_XXS => TensorType::IQ4_XS,
            TensorType::NVFP4 => TensorType::MXFP4,
            TensorType::TQ1_0 | TensorType::TQ2_0 => TensorType::Q2_0,
            TensorType::IQ2_XS | TensorType::IQ2_XXS | TensorType::IQ1_S | TensorType::IQ1_M => TensorType::IQ2_S,
            format => format,
        }
    }

    /// The type with this number in a GGUF file; `None` for the many that are not supported.
    pub fn from_ggml(id: u32) -> Option<Self> {
        LAYOUTS.iter().find(|layout| layout.id == id).map(|layout| layout.kind)
    }

    /// The number in a GGUF file.
    pub fn id(self) -> u32 {
        self.layout().id
    }

    /// The name as written in ggml and in model files' names, such as `Q4_K`.
    pub fn name(self) -> &'static str {
        self.layout().name
    }

    /// Weights per block; 1 for floats.
    pub fn block_len(self) -> usize {
        self.layout().block_len
    }

    /// Bytes per block in the file.
    pub fn block_bytes(self) -> usize {
        self.layout().block_bytes
    }

    /// What its numbers are, for people.
    pub fn family(self) -> &'static str {
        match self {
            TensorType::F32 | TensorType::F16 | TensorType::BF16 => "floats",
            TensorType::Q1_0 | TensorType::Q2_0 | TensorType::TQ1_0 | TensorType::TQ2_0 => "one or two bits",
            coded if coded.name().starts_with('Q') => "quantized",
            _ => "looked up",
        }
    }

    /// Whether its weights are integers with a scale.
    pub fn is_quantized(self) -> bool {
        self.block_len() > 1
    }

    fn layout(self) -> &'static Layout {
        &LAYOUTS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, kind) in TensorType::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
            assert_eq!(kind.layout().kind, kind);
            assert_eq!(TensorType::from_ggml(kind.id()), Some(kind));
        }
        assert_eq!(LAYOUTS.len(), TensorType::ALL.len());
        for kind in TensorType::ALL {
            assert!(TensorType::FORMATS.contains(&kind.stored()), "{kind:?}");
            assert_eq!(TensorType::FORMATS.contains(&kind), kind.stored() == kind);
        }
        for unknown in [4, 5, 9, 15, 31, 43, u32::MAX] {
            assert_eq!(TensorType::from_ggml(unknown), None);
        }
    }
}
