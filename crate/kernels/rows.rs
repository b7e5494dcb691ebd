//! Kernels that work row by row: one function, in lanes of double precision, is the mirror, and in lanes of single
//! precision the kernel of the CPU backend.

use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Range, Sub};

use wide::{f32x4, f64x4};

use super::cpu::{self, Scratch, math};
use super::face::{Face, OnCpu};
use super::job::Job;

/// Arithmetic.
pub trait Number:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// From what a buffer holds.
    fn of(x: f32) -> Self;
    /// The nearest to a number that no buffer holds.
    fn of64(x: f64) -> Self;
    /// To what a buffer holds.
    fn to_f32(self) -> f32;
    /// The square root.
    fn sqrt(self) -> Self;
    /// e to this power.
    fn exp(self) -> Self;
}

/// Four numbers side by side.
pub trait Lanes:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// One of them.
    type Number: Number;
    /// From what a buffer holds.
    fn load(x: &[f32; 4]) -> Self;
    /// To what a buffer holds.
    fn store(self) -> [f32; 4];
    /// The same number four times.
    fn splat(x: Self::Number) -> Self;
    /// e to these powers.
    fn exp(self) -> Self;
    /// What is outside of these two becomes the nearer one. What is no finite number becomes none: a damaged file has to show.
    fn clamp(self, least: Self::Number, most: Self::Number) -> Self;
    /// Their sum.
    fn sum(self) -> Self::Number;
}

impl Number for f64 {
    fn of(x: f32) -> f64 {
        f64::from(x)
    }
    fn of64(x: f64) -> f64 {
        x
    }
    fn to_f32(self) -> f32 {
        self as f32
    }
    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }
    fn exp(self) -> f64 {
        f64::exp(self)
    }
}

impl Number for f32 {
    fn of(x: f32) -> f32 {
        x
    }
    fn of64(x: f64) -> f32 {
        x as f32
    }
    fn to_f32(self) -> f32 {
        self
    }
    fn sqrt(self) -> f32 {
        f32::sqrt(self)
    }
    fn exp(self) -> f32 {
        math::exp(f32x4::splat(self)).to_array()[0]
    }
}

impl Lanes for f64x4 {
    type Number = f64;
    fn load(x: &[f32; 4]) -> f64x4 {
        f64x4::new(x.map(f64::from))
    }
    fn store(self) -> [f32; 4] {
        self.to_array().map(|x| x as f32)
    }
    fn splat(x: f64) -> f64x4 {
        f64x4::splat(x)
    }
    fn exp(self) -> f64x4 {
        f64x4::new(self.to_array().map(f64::exp))
    }
    fn clamp(self, least: f64, most: f64) -> f64x4 {
        f64x4::new(self.to_array().map(|x| x.clamp(least, most))) + self * f64x4::splat(0.0)
    }
    fn sum(self) -> f64 {
        self.to_array().iter().sum()
    }
}

impl Lanes for f32x4 {
    type Number = f32;
    #[inline(always)]
    fn load(x: &[f32; 4]) -> f32x4 {
        f32x4::new(*x)
    }
    #[inline(always)]
    fn store(self) -> [f32; 4] {
        self.to_array()
    }
    #[inline(always)]
    fn splat(x: f32) -> f32x4 {
        f32x4::splat(x)
    }
    #[inline(always)]
    fn exp(self) -> f32x4 {
        math::exp(self)
    }
    #[inline(always)]
    fn clamp(self, least: f32, most: f32) -> f32x4 {
        self.fast_max(f32x4::splat(least)).fast_min(f32x4::splat(most)) + self * f32x4::splat(0.0)
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        math::sum(self)
    }
}

/// A kernel whose dispatch is a number of rows, none of which reads what another writes.
pub trait Rows: Face {
    /// Rows of a dispatch.
    fn rows(job: &Job) -> usize;

    /// Does row `r`.
    fn row<L: Lanes>(job: &Job, r: usize);
}

impl<V: Rows> OnCpu for V {
    const SIMD: Option<&'static cpu::Kernel> = Some(&cpu::Kernel { pieces: V::rows, run: run::<V> });

    fn mirror(job: &Job) {
        (0..V::rows(job)).for_each(|r| V::row::<f64x4>(job, r));
    }
}

fn run<V: Rows>(job: &Job, rows: Range<usize>, _: &mut Scratch) {
    rows.for_each(|r| V::row::<f32x4>(job, r));
}

/// The sum of squares; the length is a multiple of 4. Four sums that do not wait for each other.
#[inline(always)]
pub fn squares<L: Lanes>(x: &[f32]) -> L::Number {
    let zero = L::splat(L::Number::default());
    let (blocks, rest) = x.as_chunks::<16>();
    let mut sums = [zero; 4];
    for block in blocks {
        for (sum, x) in sums.iter_mut().zip(block.as_chunks::<4>().0) {
            let x = L::load(x);
            *sum = *sum + x * x;
        }
    }
    let rest = rest.as_chunks::<4>().0.iter().map(|x| L::load(x) * L::load(x)).fold(zero, |sum, x| sum + x);
    (sums[0] + sums[1] + (sums[2] + sums[3]) + rest).sum()
}
