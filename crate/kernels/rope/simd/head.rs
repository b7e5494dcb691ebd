//! What becomes of a head before attention: its norm, its rotation, and its place in the cache.

use wide::f32x4;

use crate::kernels::cpu::half::from_f32;
use crate::kernels::cpu::sized;
use crate::kernels::norm::simd::rmsnorm;

/// How a layer rotates its heads.
pub struct Rotation<'a> {
    /// (cos, sin) pairs; see `rope::table`.
    pub table: &'a [f32],
    /// Rotated pairs: rope_dim / 2.
    pub half: usize,
    pub neox: bool,
    pub eps: f32,
}

/// The cosines and sines of a position's pairs.
pub struct Angles<'a> {
    cos: &'a [f32],
    sin: &'a [f32],
}

impl Rotation<'_> {
    /// Coarse and fine angle, added.
    pub fn angles<'s>(&self, position: usize, store: &'s mut Vec<f32>) -> Angles<'s> {
        let half = self.half;
        let step = |step: usize| self.table[2 * step * half..2 * (step + 1) * half].as_chunks::<2>().0;
        let (coarse, fine) = (step(256 + position / 256), step(position % 256));
        let (cos, sin) = sized(store, 2 * half).split_at_mut(half);
        for (i, (&[coarse_cos, coarse_sin], &[fine_cos, fine_sin])) in coarse.iter().zip(fine).enumerate() {
            cos[i] = coarse_cos * fine_cos - coarse_sin * fine_sin;
            sin[i] = coarse_sin * fine_cos + coarse_cos * fine_sin;
        }
        Angles { cos, sin }
    }

    /// Norm, where there is a weight, and rotation of a head in place.
    pub fn rotate(&self, head: &mut [f32], weight: Option<&[f32]>, angles: &Angles) {
        if let Some(weight) = weight {
            let scale = rmsnorm::scale(head, self.eps);
            head.iter_mut().zip(weight).for_each(|(v, w)| *v *= scale * w);
        }
        let cos_sin = angles.cos.iter().zip(angles.sin);
        if self.neox {
            let (a, b) = head.split_at_mut(self.half);
            for ((u, v), (cos, sin)) in a.iter_mut().zip(b).zip(cos_sin) {
                (*u, *v) = (*u * cos - *v * sin, *u * sin + *v * cos);
            }
        } else {
            for ([u, v], (cos, sin)) in head.as_chunks_mut::<2>().0.iter_mut().zip(cos_sin) {
                (*u, *v) = (*u * cos - *v * sin, *u * sin + *v * cos);
            }
        }
    }
}

/// Writes a head to its words of a cache: as pairs of f16, or as f32.
pub fn store(words: &mut [u32], head: &[f32], half: bool) {
    if !half {
        words.copy_from_slice(bytemuck::cast_slice(head));
        return;
    }
    for (words, values) in words.as_chunks_mut::<2>().0.iter_mut().zip(head.as_chunks::<4>().0) {
        // What f16 cannot hold becomes its largest number.
        let values = f32x4::new(*values).fast_clamp(f32x4::splat(-65504.0), f32x4::splat(65504.0));
        let [a, b, c, d] = from_f32(values).to_array();
        *words = [a | b << 16, c | d << 16];
    }
}
