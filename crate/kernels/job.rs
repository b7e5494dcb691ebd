//! One dispatch on the CPU: what mirrors and the kernels of the CPU backend get.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use super::face::{Face, VariantId};

/// The most storage buffers that a kernel binds: what WebGPU promises.
pub const MAX_BINDINGS: usize = 8;

/// A buffer of words, wherever it lives.
#[derive(Clone, Copy, Debug)]
pub struct Shared {
    words: *mut u32,
    len: usize,
}

// SAFETY: what makes this sound is the promise of `Job::new`.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// No buffer at all.
    pub const EMPTY: Shared = Shared { words: std::ptr::null_mut(), len: 0 };

    /// A buffer that is borrowed.
    pub fn new(words: &mut [u32]) -> Self {
        Shared::over(words.as_mut_ptr(), words.len())
    }

    /// `len` words from `words` on.
    pub fn over(words: *mut u32, len: usize) -> Self {
        Shared { words, len }
    }
}

/// One dispatch. Several threads may share it, each doing some of its pieces.
#[derive(Debug)]
pub struct Job<'a> {
    variant: VariantId,
    params: &'a [u8],
    /// Workgroups in x, y and z.
    pub grid: [u32; 3],
    /// In binding order.
    buffers: &'a [Shared],
    /// How exact products have to be.
    pub exactness: Exactness,
    id: JobId,
}

/// Tells jobs apart: no two that a thread does one after the other have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobId(u32);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// How exact products have to be, where less would be faster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exactness {
    /// Activations may be rounded to 8 bits; else they keep 16.
    pub bytes: bool,
    /// Of many rows.
    pub together: Together,
}

/// How products of many rows are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Together {
    /// They give the bits of those of one row: what a model writes does not depend on how it read.
    #[default]
    AsOne,
    /// Weights are rounded to 16 bits where that is quicker: for a model that reads texts whole and writes none.
    Rounded,
    /// Weights that are floats are multiplied as floats: for scores, which lie closer together than 16 bits tell.
    Whole,
}

impl<'a> Job<'a> {
    /// # Safety
    /// The buffers outlive the job and nobody else uses them meanwhile. Kernels in turn write in one piece only what no
    /// other piece of the job reads or writes.
    pub unsafe fn new(
        variant: VariantId,
        params: &'a [u8],
        grid: [u32; 3],
        buffers: &'a [Shared],
        exactness: Exactness,
    ) -> Self {
        let id = JobId(NEXT.fetch_add(1, Ordering::Relaxed));
        Job { variant, params, grid, buffers, exactness, id }
    }

    /// Which it is.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// The uniforms of a dispatch of this kernel.
    pub fn params<V: Face>(&self) -> V::Params {
        bytemuck::pod_read_unaligned(&self.params[..size_of::<V::Params>()])
    }

    /// Its variant. Jobs reach a kernel's functions by the table alone, so it is this kernel's.
    pub fn variant<V: Face>(&self) -> V {
        V::of(self.variant).unwrap_or_else(|| panic!("a dispatch of {} came to another kernel", self.variant.name()))
    }

    /// Its buffers.
    pub fn bind<V: Face>(&self) -> V::Bind<View<'a>> {
        let mut views = [View { shared: Shared::EMPTY, borrowed: PhantomData }; MAX_BINDINGS];
        for (view, &shared) in views.iter_mut().zip(self.buffers) {
            view.shared = shared;
        }
        V::bind(&views[..self.buffers.len()])
    }
}

/// A buffer in the hands of a piece of a job.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    shared: Shared,
    borrowed: PhantomData<&'a mut [u32]>,
}

impl<'a> View<'a> {
    fn check(self, range: &Range<usize>) {
        assert!(range.start <= range.end && range.end <= self.shared.len, "{range:?} of {} words", self.shared.len);
    }

    /// Words that no piece writes.
    pub fn words(self, range: Range<usize>) -> &'a [u32] {
        self.check(&range);
        // SAFETY: by the promise of `Job::new`.
        unsafe { std::slice::from_raw_parts(self.shared.words.add(range.start), range.len()) }
    }

    /// Words that this piece alone reads and writes.
    pub fn words_mut(self, range: Range<usize>) -> &'a mut [u32] {
        self.check(&range);
        // SAFETY: by the promise of `Job::new`.
        unsafe { std::slice::from_raw_parts_mut(self.shared.words.add(range.start), range.len()) }
    }

    /// The whole of a buffer that no piece writes.
    pub fn all(self) -> &'a [u32] {
        self.words(0..self.shared.len)
    }

    /// The whole of a buffer, where a job is one piece.
    pub fn all_mut(self) -> &'a mut [u32] {
        self.words_mut(0..self.shared.len)
    }

    /// As [`View::words`], as floats.
    pub fn floats(self, range: Range<usize>) -> &'a [f32] {
        bytemuck::cast_slice(self.words(range))
    }

    /// As [`View::words_mut`], as floats.
    pub fn floats_mut(self, range: Range<usize>) -> &'a mut [f32] {
        bytemuck::cast_slice_mut(self.words_mut(range))
    }

    /// As [`View::all`], as floats.
    pub fn all_floats(self) -> &'a [f32] {
        bytemuck::cast_slice(self.all())
    }

    /// As [`View::all_mut`], as floats.
    pub fn all_floats_mut(self) -> &'a mut [f32] {
        bytemuck::cast_slice_mut(self.all_mut())
    }

    /// The struct that the buffer starts with.
    pub fn head<T: bytemuck::Pod>(self) -> T {
        bytemuck::pod_read_unaligned(bytemuck::cast_slice(self.words(0..size_of::<T>() / 4)))
    }
}
