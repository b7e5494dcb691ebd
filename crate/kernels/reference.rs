//! A mirror for each kernel: the same parameters and buffers in plain loops, the truth that kernels are tested
//! against: what they get of a dispatch. `device::reference` runs a whole recording on them.

use crate::quant::{self, TensorType};

/// A kernel on the CPU.
pub type Mirror = fn(Args);

/// What a mirror gets of its dispatch.
pub struct Args<'a> {
    /// The variant's name.
    pub variant: &'a str,
    pub params: &'a [u8],
    pub grid: [u32; 3],
    /// The read-only buffers, in binding order.
    pub read: Vec<&'a [u32]>,
    /// The writable buffers, in binding order.
    pub write: Vec<&'a mut [u32]>,
}

impl Args<'_> {
    pub fn params<P: bytemuck::Pod>(&self) -> P {
        bytemuck::pod_read_unaligned(self.params)
    }

    /// A choice of the variant's name, from 0.
    pub fn choice(&self, index: usize) -> &str {
        self.variant.split('.').nth(index + 1).unwrap_or("")
    }

    /// The planes of bytes that the variant's activations come in, by its last choice; `None` where they are floats.
    pub fn planes(&self) -> Option<u32> {
        self.variant.rsplit('.').next()?.strip_prefix("planes")?.parse().ok()
    }

    /// The first `count` weights of a weight kernel's part: its first buffer, in the format of its first choice.
    pub fn weights(&self, planes: [u32; 4], count: usize) -> Vec<f32> {
        let name = self.choice(0);
        let kind = TensorType::ALL.into_iter().find(|t| t.name().eq_ignore_ascii_case(name));
        let mut out = vec![0.0; count];
        quant::dequantize_packed(
            kind.expect("a format in the variant's name"),
            self.read[0],
            &planes.map(|words| words as u64 * 4),
            &mut out,
        );
        out
    }
}

/// A buffer's words as floats.
pub fn floats(words: &[u32]) -> &[f32] {
    bytemuck::cast_slice(words)
}

pub fn floats_mut(words: &mut [u32]) -> &mut [f32] {
    bytemuck::cast_slice_mut(words)
}
