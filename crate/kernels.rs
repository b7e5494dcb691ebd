//! The kernel table: what each shader binds and which CPU mirror tells the truth about it, and the variants that
//! `build.rs` made of it.

use crate::cpu;

/// How a kernel uses a storage buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    /// Read and write.
    Write,
}
use Access::{Read, Write};

#[derive(Debug)]
pub struct Kernel {
    /// The shader's file name without `.wgsl`.
    pub name: &'static str,
    /// Bindings 0, 1, … of group 0; the uniform struct follows the last.
    pub bindings: &'static [Access],
    pub mirror: cpu::Mirror,
}

/// One row a shader.
pub static KERNELS: &[Kernel] = &[
    Kernel { name: "attention", bindings: &[Read, Read, Read, Read, Write], mirror: cpu::attention::run },
    Kernel { name: "attention_combine", bindings: &[Read, Write], mirror: cpu::attention_combine::run },
    Kernel { name: "attention_rows", bindings: &[Read, Read, Read, Read, Write], mirror: cpu::attention::run },
    Kernel { name: "attention_tile", bindings: &[Read, Read, Read, Read, Write], mirror: cpu::attention::run },
    Kernel {
        name: "decode_attention",
        bindings: &[Read, Read, Read, Read, Read, Write, Write, Write],
        mirror: cpu::decode_attention::run,
    },
    Kernel { name: "embed", bindings: &[Read, Read, Read, Write], mirror: cpu::embed::run },
    Kernel { name: "glu", bindings: &[Read, Write], mirror: cpu::glu::run },
    Kernel { name: "matmul", bindings: &[Read, Read, Read, Read, Write], mirror: cpu::matmul::run },
    Kernel { name: "matmul_tile", bindings: &[Read, Read, Read, Read, Write], mirror: cpu::matmul::run },
    Kernel { name: "matvec", bindings: &[Read, Read, Read, Read, Read, Read, Write], mirror: cpu::matvec::run },
    Kernel { name: "matvec_rows", bindings: &[Read, Read, Read, Read, Read, Read, Write], mirror: cpu::matvec::run },
    Kernel { name: "rmsnorm", bindings: &[Read, Read, Read, Write], mirror: cpu::rmsnorm::run },
    Kernel { name: "rope_kv", bindings: &[Read, Read, Read, Read, Write, Write, Write], mirror: cpu::rope_kv::run },
    Kernel {
        name: "rope_kv_rows",
        bindings: &[Read, Read, Read, Read, Write, Write, Write],
        mirror: cpu::rope_kv::run,
    },
    Kernel { name: "sample_bins", bindings: &[Read, Read, Read, Write, Write], mirror: cpu::sample::bins },
    Kernel { name: "sample_gather", bindings: &[Read, Read, Read, Read, Write, Write], mirror: cpu::sample::gather },
    Kernel { name: "sample_pick", bindings: &[Read, Read, Read, Read, Write, Write, Write], mirror: cpu::sample::pick },
    Kernel { name: "sample_scan", bindings: &[Read, Read, Read, Write, Write, Write], mirror: cpu::sample::scan },
    Kernel { name: "sample_take", bindings: &[Read, Read, Read, Write, Write, Write], mirror: cpu::sample::take },
];

/// A permutation of a shader; its source is `consts` and then every part in order.
#[derive(Debug)]
pub struct Variant {
    /// `kernel.choice.choice…` in the order of `shaders/permutations`.
    pub name: &'static str,
    consts: &'static str,
    parts: &'static [usize],
    /// The adapter features it needs.
    pub subgroups: bool,
    pub f16: bool,
}

include!(concat!(env!("OUT_DIR"), "/kernels.rs"));

/// An index into [`VARIANTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VariantId(pub usize);

impl VariantId {
    pub fn get(self) -> &'static Variant {
        &VARIANTS[self.0]
    }
}

impl Variant {
    /// The WGSL text. Browsers want `enable subgroups;`, naga (native) rejects it and needs none.
    pub fn source(&self, browser: bool) -> String {
        let mut text = String::new();
        if self.f16 {
            text.push_str("enable f16;\n");
        }
        if self.subgroups && browser {
            text.push_str("enable subgroups;\n");
        }
        text.push_str(self.consts);
        self.parts.iter().for_each(|&part| text.push_str(SOURCES[part]));
        text
    }
}

/// The kernel and variant of this name.
pub fn find(variant: &str) -> Option<(&'static Kernel, VariantId)> {
    let id = VARIANTS.binary_search_by(|v| v.name.cmp(variant)).ok()?;
    let stem = variant.split('.').next()?;
    KERNELS.iter().find(|k| k.name == stem).map(|kernel| (kernel, VariantId(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_belongs_to_a_kernel_and_is_found_by_name() {
        for (index, variant) in VARIANTS.iter().enumerate() {
            assert_eq!(find(variant.name).expect(variant.name).1, VariantId(index));
        }
        for kernel in KERNELS {
            assert!(VARIANTS.iter().any(|v| v.name.split('.').next() == Some(kernel.name)), "{}", kernel.name);
        }
        assert!(find("matvec.q9_k.tree").is_none());
    }
}
