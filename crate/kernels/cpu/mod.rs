//! The kernels of the CPU backend: the same parameters and buffers as the shaders, in 128-bit SIMD, cut into pieces that
//! threads can share. The mirrors are the truth that they are tested against.
//!
//! Weight matrices are read in the arrangement of [`quads`](crate::kernels::product::simd::quads), which a matrix is brought into once it has been loaded.

pub mod half;
pub mod lanes;
pub mod math;

use std::ops::Range;

use crate::kernels::params::SampleOptions;
use crate::kernels::reference;
use crate::quant::TensorType;

/// A kernel that runs on the CPU.
#[derive(Debug)]
pub struct Kernel {
    /// The pieces that a dispatch can be cut into: each writes its own part of the results.
    pub pieces: fn(&Job) -> usize,
    /// Does some of them.
    pub run: fn(&Job, Range<usize>, &mut Scratch),
}

/// A buffer as several threads see it.
#[derive(Clone, Copy, Debug)]
pub struct Shared {
    words: *mut u32,
    len: usize,
}

// What makes this sound is the promise of `Job::new`.
unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

impl Shared {
    /// No buffer at all.
    pub const EMPTY: Shared = Shared { words: std::ptr::null_mut(), len: 0 };

    pub fn new(words: &mut [u32]) -> Self {
        Shared::over(words.as_mut_ptr(), words.len())
    }

    pub fn over(words: *mut u32, len: usize) -> Self {
        Shared { words, len }
    }
}

/// One dispatch, as a kernel gets it.
#[derive(Debug)]
pub struct Job<'a> {
    /// The variant's name.
    pub variant: &'a str,
    params: &'a [u8],
    pub grid: [u32; 3],
    /// In binding order.
    buffers: &'a [Shared],
    /// Activations keep 16 bits in products, where 8 would be faster.
    pub precise: bool,
}

impl<'a> Job<'a> {
    /// # Safety
    /// The buffers outlive the job and nobody else uses them meanwhile. Kernels in turn write in one piece only what no
    /// other piece of the job reads or writes.
    pub unsafe fn new(
        variant: &'a str,
        params: &'a [u8],
        grid: [u32; 3],
        buffers: &'a [Shared],
        precise: bool,
    ) -> Self {
        Job { variant, params, grid, buffers, precise }
    }

    pub fn params<P: bytemuck::Pod>(&self) -> P {
        bytemuck::pod_read_unaligned(self.params)
    }

    /// A choice of the variant's name, from 0.
    pub fn choice(&self, index: usize) -> &str {
        self.variant.split('.').nth(index + 1).unwrap_or("")
    }

    /// The tensor type of a weight kernel: its variant's first choice.
    pub fn kind(&self) -> TensorType {
        let name = self.choice(0);
        let kind = TensorType::ALL.into_iter().find(|t| t.name().eq_ignore_ascii_case(name));
        kind.expect("a format in the variant's name")
    }

    /// Words of a buffer that no piece writes.
    pub fn words(&self, binding: usize, range: Range<usize>) -> &'a [u32] {
        let Shared { words, len } = self.buffers[binding];
        assert!(range.start <= range.end && range.end <= len, "{range:?} of {len} words");
        // By the promise of `new`.
        unsafe { std::slice::from_raw_parts(words.add(range.start), range.len()) }
    }

    /// All of a buffer that no piece writes.
    pub fn all(&self, binding: usize) -> &'a [u32] {
        self.words(binding, 0..self.buffers[binding].len)
    }

    /// Words that this piece alone reads and writes.
    #[allow(clippy::mut_from_ref)]
    pub fn words_mut(&self, binding: usize, range: Range<usize>) -> &'a mut [u32] {
        let Shared { words, len } = self.buffers[binding];
        assert!(range.start <= range.end && range.end <= len, "{range:?} of {len} words");
        // By the promise of `new`.
        unsafe { std::slice::from_raw_parts_mut(words.add(range.start), range.len()) }
    }

    /// The sampling options that a buffer starts with.
    pub fn options(&self, binding: usize) -> SampleOptions {
        bytemuck::pod_read_unaligned(bytemuck::cast_slice(self.words(binding, 0..size_of::<SampleOptions>() / 4)))
    }

    /// What the mirror of a serial step gets, whose first `reads` buffers are read and whose others are written.
    pub fn args(&self, reads: usize) -> reference::Args<'a> {
        let (read, write) = (0..reads, reads..self.buffers.len());
        reference::Args {
            variant: self.variant,
            params: self.params,
            grid: self.grid,
            read: read.map(|binding| self.all(binding)).collect(),
            write: write.map(|binding| self.words_mut(binding, 0..self.buffers[binding].len)).collect(),
        }
    }

    /// As [`Job::words`], as floats.
    pub fn floats(&self, binding: usize, range: Range<usize>) -> &'a [f32] {
        bytemuck::cast_slice(self.words(binding, range))
    }

    /// As [`Job::words_mut`], as floats.
    pub fn floats_mut(&self, binding: usize, range: Range<usize>) -> &'a mut [f32] {
        bytemuck::cast_slice_mut(self.words_mut(binding, range))
    }
}

/// What a thread keeps between jobs, so that kernels allocate nothing.
#[derive(Default)]
pub struct Scratch {
    /// A row of activations, or some.
    pub x: Vec<f32>,
    pub shorts: crate::kernels::product::simd::activations::Store<i16>,
    pub bytes: crate::kernels::product::simd::activations::Store<i8>,
    /// Four rows of weights, as floats or integers.
    pub weights: Vec<f32>,
    pub unpacked_shorts: crate::kernels::product::simd::products::Unpacked<i16>,
    pub unpacked_bytes: crate::kernels::product::simd::products::Unpacked<i8>,
    /// A position's cosines and sines.
    pub angles: Vec<f32>,
    /// Keys and values of some cells.
    pub tile: Vec<f32>,
    /// Each workgroup's drawn token, with its key.
    pub drawn: Vec<(u32, u32)>,
}

/// The first `len` elements, made if need be.
pub fn sized<T: Copy + Default>(vec: &mut Vec<T>, len: usize) -> &mut [T] {
    if vec.len() < len {
        vec.resize(len, T::default());
    }
    &mut vec[..len]
}
