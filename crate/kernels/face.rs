//! What every kernel shows of itself: a type for its variants, its uniforms, its buffers by name. The build writes them
//! from the shaders (see `build/`), so a kernel, its mirror and who records it cannot disagree.
//! Examples, of what does not compile too, are in `crate/device/recording.rs`, where kernels are recorded.

use std::marker::PhantomData;

use bytemuck::Pod;

use super::cpu;
use super::job::Job;
use super::table::{KERNELS, KernelId, MIRRORS, SOURCES, VARIANTS};
use crate::base::buffer::BufferId;

/// How a kernel uses a storage buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Written, or read and written.
    Write,
}

/// A kernel's variants, as a type.
pub trait Face: Copy {
    /// The shader's uniform struct.
    type Params: Pod;
    /// Its storage buffers by name.
    type Bind<B>;
    /// Which kernel it is.
    const KERNEL: KernelId;
    /// For each binding, the field of [`Face::Bind`] that is bound to it: a buffer may be bound twice.
    const VIEWS: &'static [usize];

    /// The buffers in the order of the fields.
    fn list<B>(bind: Self::Bind<B>) -> Vec<B>;

    /// From what is bound to each binding.
    fn bind<B: Clone>(bound: &[B]) -> Self::Bind<B>;

    /// The variant's number, by arithmetic.
    fn id(self) -> VariantId;

    /// The variant of this number; `None` where it is another kernel's.
    fn of(id: VariantId) -> Option<Self>;
}

/// A variant of any of the kernels that take these uniforms and buffers: which one is decided when it is recorded.
pub struct Chosen<P, B> {
    /// The variant.
    pub id: VariantId,
    bind: fn(B) -> Vec<BufferId>,
    params: PhantomData<P>,
}

impl<P, B> Chosen<P, B> {
    /// What is bound to each binding.
    pub fn bound(&self, bind: B) -> Vec<BufferId> {
        (self.bind)(bind)
    }
}

impl<V: Face> From<V> for Chosen<V::Params, V::Bind<BufferId>> {
    fn from(variant: V) -> Self {
        let bind = |bind| {
            let fields = V::list(bind);
            V::VIEWS.iter().map(|&field| fields[field]).collect()
        };
        Chosen { id: variant.id(), bind, params: PhantomData }
    }
}

/// A kernel on the CPU. Kernels that work row by row implement [`rows::Rows`](super::rows::Rows), which brings this.
pub trait OnCpu: Face {
    /// The kernel of the CPU backend; `None` where that records another kernel.
    const SIMD: Option<&'static cpu::Kernel> = None;

    /// The mirror, which is the truth about the kernel: a whole dispatch in plain loops and double precision.
    fn mirror(job: &Job);
}

/// A mirror, whichever its kernel.
pub type Mirror = fn(&Job);

/// A shader.
#[derive(Debug)]
pub struct Kernel {
    /// Which one it is.
    pub id: KernelId,
    /// Its folder in `shaders/` and here.
    pub family: &'static str,
    /// Its file name without `.wgsl`.
    pub name: &'static str,
    /// Bindings 0, 1, … of group 0; the uniform struct follows the last.
    pub bindings: &'static [Access],
    /// Bytes of the uniform struct.
    pub params_bytes: usize,
    /// The first of its variants, and how many there are.
    pub(super) first: usize,
    pub(super) count: usize,
    /// The kernel that takes its place on the CPU backend.
    pub simd: Option<&'static cpu::Kernel>,
}

impl Kernel {
    /// What tells the truth about it. Pages ask for none, so they download none.
    pub fn mirror(&self) -> Mirror {
        MIRRORS[self.id as usize]
    }

    /// Its variants.
    pub fn variants(&self) -> impl Iterator<Item = VariantId> {
        (self.first..self.first + self.count).map(|index| VariantId(index as u16))
    }
}

/// A permutation of a shader; its source is `consts` and then every part in order.
#[derive(Debug)]
pub struct Shader {
    pub(super) kernel: KernelId,
    /// `kernel.choice.choice…` in the order of `shaders/permutations`.
    pub name: &'static str,
    pub(super) consts: &'static str,
    pub(super) parts: &'static [u8],
    /// The adapter features it needs.
    pub subgroups: bool,
    /// The `shader-f16` feature.
    pub f16: bool,
    /// The language's `packed_4x8_integer_dot_product`.
    pub dot: bool,
    /// Threads of a workgroup.
    pub threads: u32,
}

impl Shader {
    /// The kernel that it is a variant of.
    pub fn kernel(&self) -> &'static Kernel {
        &KERNELS[self.kernel as usize]
    }

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

/// An index into [`VARIANTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariantId(pub u16);

impl VariantId {
    /// Its shader.
    pub fn get(self) -> &'static Shader {
        &VARIANTS[usize::from(self.0)]
    }

    /// The kernel that it is a variant of.
    pub fn kernel(self) -> &'static Kernel {
        self.get().kernel()
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.get().name
    }

    /// The variant of this name: for what people write, never for what is recorded.
    pub fn named(name: &str) -> Option<VariantId> {
        VARIANTS.iter().position(|variant| variant.name == name).map(|index| VariantId(index as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{matmul_dot, rmsnorm};
    use super::*;
    use crate::kernels::table::choices::{Planes, Quantized, Reduce};

    #[test]
    fn variants_are_numbered_as_the_table_is() {
        for (index, variant) in VARIANTS.iter().enumerate() {
            let id = VariantId(index as u16);
            assert!(variant.kernel().variants().any(|own| own == id), "{}", variant.name);
            assert_eq!(VariantId::named(variant.name), Some(id));
        }
        for (index, kernel) in KERNELS.iter().enumerate() {
            assert_eq!(kernel.id as usize, index);
            assert!(kernel.variants().all(|id| id.name().split('.').next() == Some(kernel.name)));
        }
        assert_eq!(VariantId::named("matvec.q9_k.tree"), None);
    }

    #[test]
    fn a_variant_is_its_number() {
        let norm = rmsnorm::Variant { reduce: Reduce::Subgroup };
        assert_eq!(norm.id().name(), "rmsnorm.subgroup");
        assert_eq!(rmsnorm::Variant::of(norm.id()), Some(norm));
        assert_eq!(matmul_dot::Variant::of(norm.id()), None);
        let rows = matmul_dot::Rows::N64;
        let product = matmul_dot::Variant { format: Quantized::Q5_K, rows, planes: Planes::N2 };
        assert_eq!(product.id().name(), "matmul_dot.q5_k.rows64.planes2");
        for id in KERNELS[KernelId::MatmulDot as usize].variants() {
            assert_eq!(matmul_dot::Variant::of(id).map(Face::id), Some(id));
        }
    }
}
