//! The kernel table: what each shader binds, which CPU mirror tells the truth about it, and which kernel takes its place
//! on the CPU backend; and the variants that `build.rs` made of it.

pub mod attention;
pub mod cell;
pub mod choose;
pub mod cpu;
pub mod elementwise;
pub mod gather;
pub mod norm;
pub mod params;
pub mod product;
pub mod reference;
pub mod rope;
pub mod sample;

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
    /// A page has none: it would only be downloaded.
    #[cfg(not(target_arch = "wasm32"))]
    pub mirror: reference::Mirror,
    /// `None` where the CPU backend records another kernel.
    pub simd: Option<&'static cpu::Kernel>,
}

impl Kernel {
    #[cfg_attr(target_arch = "wasm32", allow(unused_variables))]
    const fn new(name: &'static str, bindings: &'static [Access], mirror: reference::Mirror) -> Self {
        Kernel {
            name,
            bindings,
            #[cfg(not(target_arch = "wasm32"))]
            mirror,
            simd: None,
        }
    }

    const fn on_cpu(mut self, simd: &'static cpu::Kernel) -> Self {
        self.simd = Some(simd);
        self
    }
}

/// One row a shader.
pub static KERNELS: &[Kernel] = &[
    Kernel::new("attention", &[Read, Read, Read, Read, Write], attention::reference::attention::run)
        .on_cpu(&attention::simd::attention::KERNEL),
    Kernel::new("attention_combine", &[Read, Write], attention::reference::attention_combine::run)
        .on_cpu(&attention::simd::attention_combine::KERNEL),
    Kernel::new("attention_rows", &[Read, Read, Read, Read, Write], attention::reference::attention::run),
    Kernel::new("attention_tile", &[Read, Read, Read, Read, Write], attention::reference::attention::run),
    Kernel::new(
        "decode_attention",
        &[Read, Read, Read, Read, Read, Write, Write, Write],
        attention::reference::decode_attention::run,
    )
    .on_cpu(&attention::simd::decode_attention::KERNEL),
    Kernel::new("embed", &[Read, Read, Read, Write], gather::reference::embed::run)
        .on_cpu(&gather::simd::embed::KERNEL),
    Kernel::new("glu", &[Read, Write], elementwise::reference::glu::run).on_cpu(&elementwise::simd::glu::KERNEL),
    Kernel::new("matmul", &[Read, Read, Read, Read, Write], product::reference::matmul::run)
        .on_cpu(&product::simd::matmul::KERNEL),
    Kernel::new("matmul_dot", &[Read, Read, Read, Read, Write], product::reference::matmul::run),
    Kernel::new("matmul_tile", &[Read, Read, Read, Read, Write], product::reference::matmul::run),
    Kernel::new("matvec", &[Read, Read, Read, Read, Read, Read, Write], product::reference::matvec::run)
        .on_cpu(&product::simd::matvec::KERNEL),
    Kernel::new("matvec_dot", &[Read, Read, Read, Read, Read, Read, Write], product::reference::matvec::run),
    Kernel::new(
        "matvec_dot_post",
        &[Read, Read, Read, Read, Read, Read, Write, Write],
        product::reference::matvec::run_post,
    ),
    Kernel::new(
        "matvec_post",
        &[Read, Read, Read, Read, Read, Read, Write, Write],
        product::reference::matvec::run_post,
    ),
    Kernel::new("matvec_rows", &[Read, Read, Read, Read, Read, Read, Write], product::reference::matvec::run),
    Kernel::new("quantize", &[Read, Write], product::reference::quantize::run),
    Kernel::new("rmsnorm", &[Read, Read, Read, Write], norm::reference::rmsnorm::run)
        .on_cpu(&norm::simd::rmsnorm::KERNEL),
    Kernel::new("rope_kv", &[Read, Read, Read, Read, Write, Write, Write], rope::reference::rope_kv::run)
        .on_cpu(&rope::simd::rope_kv::KERNEL),
    Kernel::new("rope_kv_rows", &[Read, Read, Read, Read, Write, Write, Write], rope::reference::rope_kv::run),
    Kernel::new("sample_bins", &[Read, Read, Read, Write, Write], sample::reference::sample::bins)
        .on_cpu(&sample::simd::sample::BINS),
    Kernel::new("sample_gather", &[Read, Read, Read, Read, Write, Write], sample::reference::sample::gather)
        .on_cpu(&sample::simd::sample::GATHER),
    Kernel::new("sample_pick", &[Read, Read, Read, Read, Write, Write, Write], sample::reference::sample::pick)
        .on_cpu(&sample::simd::sample::PICK),
    Kernel::new("sample_scan", &[Read, Read, Read, Write, Write, Write], sample::reference::sample::scan)
        .on_cpu(&sample::simd::sample::SCAN),
    Kernel::new("sample_take", &[Read, Read, Read, Write, Write, Write], sample::reference::sample::take)
        .on_cpu(&sample::simd::sample::TAKE),
];

/// A permutation of a shader; its source is `consts` and then every part in order.
#[derive(Debug)]
pub struct Variant {
    /// `kernel.choice.choice…` in the order of `shaders/permutations`.
    pub name: &'static str,
    consts: &'static str,
    parts: &'static [u8],
    /// The adapter features it needs.
    pub subgroups: bool,
    pub f16: bool,
    /// The language's `packed_4x8_integer_dot_product`.
    pub dot: bool,
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
        self.parts.iter().for_each(|&part| text.push_str(SOURCES[part as usize]));
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
