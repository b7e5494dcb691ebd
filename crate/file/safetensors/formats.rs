//! How packages that quantise lay their matrices into files: a row each.

use crate::file::packed::Lay;

/// What the tensor of a matrix's codes holds.
#[derive(Clone, Copy, Debug)]
pub enum Holds {
    /// Whole numbers of a few bits, in words of this type.
    Words(&'static str, Lay),
    /// Whole numbers of 8 bits.
    Bytes,
    /// Floats of 8 bits.
    Floats,
}

impl Holds {
    /// The type that the file says.
    pub fn dtype(&self) -> &'static str {
        match self {
            Holds::Words(dtype, _) => dtype,
            Holds::Bytes => "I8",
            Holds::Floats => "F8_E4M3",
        }
    }
}

/// A way to store quantised matrices. What follows a module's name is that of a tensor.
#[derive(Debug)]
pub struct Format {
    /// `quant_method` of `config.json`.
    pub method: &'static str,
    /// The member that says which of the method's ways it is, and what it says here.
    pub kind: (&'static str, &'static str),
    /// Whether it is this where the member is not there.
    pub usual: bool,
    /// Bits of a number.
    pub bits: &'static [u64],
    pub codes: &'static str,
    pub holds: Holds,
    /// Scales, by the names that they have.
    pub scales: &'static [&'static str],
    /// Whether scales lie column by column.
    pub by_columns: bool,
    /// Which code means nothing: the tensor of these, and how they lie in it.
    pub zeros: Option<(&'static str, Lay)>,
    /// Whether these are written by one less than they are.
    pub one_less: bool,
    /// What is added to the products.
    pub least: Option<&'static str>,
    /// Which group each column is of.
    pub order: Option<&'static str>,
}

const ROWS: Lay = Lay { down: false, by_columns: false, order: None };
const COLUMNS: Lay = Lay { down: false, by_columns: true, order: None };
const DOWN: Lay = Lay { down: true, by_columns: false, order: None };
const DOWN_COLUMNS: Lay = Lay { down: true, by_columns: true, order: None };
/// As the kernels of AWQ take eight outputs out of a word.
const WOVEN: Lay = Lay { order: Some([0, 4, 1, 5, 2, 6, 3, 7]), ..DOWN_COLUMNS };

const MLX: Format = Format {
    method: "mlx",
    kind: ("mode", "affine"),
    usual: true,
    bits: &[2, 4, 8],
    codes: ".weight",
    holds: Holds::Words("U32", ROWS),
    scales: &[".scales"],
    by_columns: false,
    zeros: None,
    one_less: false,
    least: Some(".biases"),
    order: None,
};
const GPTQ: Format = Format {
    method: "gptq",
    kind: ("checkpoint_format", "gptq"),
    codes: ".qweight",
    holds: Holds::Words("I32", COLUMNS),
    by_columns: true,
    zeros: Some((".qzeros", DOWN_COLUMNS)),
    one_less: true,
    least: None,
    order: Some(".g_idx"),
    ..MLX
};
const PACKED: Format = Format {
    method: "compressed-tensors",
    kind: ("format", "pack-quantized"),
    codes: ".weight_packed",
    holds: Holds::Words("I32", ROWS),
    scales: &[".weight_scale"],
    zeros: Some((".weight_zero_point", DOWN)),
    least: None,
    order: Some(".weight_g_idx"),
    ..MLX
};
const BYTES: Format = Format {
    kind: ("format", "int-quantized"),
    usual: false,
    bits: &[8],
    codes: ".weight",
    holds: Holds::Bytes,
    zeros: None,
    order: None,
    ..PACKED
};
const FLOATS: Format = Format { kind: ("format", "float-quantized"), holds: Holds::Floats, ..BYTES };

/// All that are read.
pub const FORMATS: &[Format] = &[
    MLX,
    GPTQ,
    Format { kind: ("checkpoint_format", "gptq_v2"), usual: false, one_less: false, ..GPTQ },
    Format {
        method: "awq",
        kind: ("version", "gemm"),
        bits: &[4],
        holds: Holds::Words("I32", WOVEN),
        zeros: Some((".qzeros", WOVEN)),
        one_less: false,
        order: None,
        ..GPTQ
    },
    PACKED,
    BYTES,
    FLOATS,
    Format {
        method: "fp8",
        kind: ("fmt", "e4m3"),
        usual: true,
        scales: &[".weight_scale_inv", ".weight_scale"],
        ..FLOATS
    },
];

/// Ends of tensors that say nothing of weights: how activations were measured, and shapes that are known.
pub const UNUSED: [&str; 7] =
    [".weight_shape", ".input_scale", ".activation_scale", ".output_scale", ".k_scale", ".v_scale", ".kv_scale"];
