//! RoPE (Su et al., "RoFormer", 2021): pairs of a head's numbers are rotated by angles that grow with the position.

use super::MAX_HEAD_DIM;
use crate::kernels::job::View;
use crate::kernels::norm::rms_scale;
use crate::kernels::rows::{Lanes, Number};

/// The cosines and sines of a position.
pub struct Rotation<L: Lanes> {
    cos: [L::Number; MAX_HEAD_DIM / 2],
    sin: [L::Number; MAX_HEAD_DIM / 2],
    /// Rotated pairs: rope_dim / 2.
    half: usize,
    /// Pairs are (i, i + half) instead of (2i, 2i + 1).
    neox: bool,
}

impl<L: Lanes> Rotation<L> {
    /// `table` holds (cos, sin) pairs, [256 + coarse steps][half]: a coarse and a fine angle, to be added.
    pub fn at(position: usize, table: &[f32], half: usize, neox: bool) -> Self {
        let zero = L::Number::default();
        let mut rotation = Rotation { cos: [zero; MAX_HEAD_DIM / 2], sin: [zero; MAX_HEAD_DIM / 2], half, neox };
        let step = |step: usize| table[2 * step * half..2 * (step + 1) * half].as_chunks::<2>().0;
        let (coarse, fine) = (step(256 + position / 256), step(position % 256));
        let (cos, sin) = (&mut rotation.cos[..half], &mut rotation.sin[..half]);
        for ((cos, sin), (coarse, fine)) in cos.iter_mut().zip(sin).zip(coarse.iter().zip(fine)) {
            let ([coarse_cos, coarse_sin], [fine_cos, fine_sin]) = (coarse.map(L::Number::of), fine.map(L::Number::of));
            *cos = coarse_cos * fine_cos - coarse_sin * fine_sin;
            *sin = coarse_sin * fine_cos + coarse_cos * fine_sin;
        }
        rotation
    }

    /// By these (cos, sin), one a pair.
    pub fn by(angles: &[f32], neox: bool) -> Self {
        let zero = L::Number::default();
        let angles = angles.as_chunks::<2>().0;
        let half = angles.len();
        let mut rotation = Rotation { cos: [zero; MAX_HEAD_DIM / 2], sin: [zero; MAX_HEAD_DIM / 2], half, neox };
        for (i, angle) in angles.iter().enumerate() {
            [rotation.cos[i], rotation.sin[i]] = angle.map(L::Number::of);
        }
        rotation
    }

    /// RMSNorm, where there is one, and rotation of a head in place.
    pub fn head(&self, head: &mut [f32], norm: Option<HeadNorm>) {
        let apply = |head: &mut [f32], norm: HeadNorm| {
            let scale = rms_scale::<L>(head, norm.eps);
            head.iter_mut()
                .zip(norm.weight)
                .for_each(|(v, w)| *v = (L::Number::of(*v) * scale * L::Number::of(*w)).to_f32());
        };
        norm.filter(|norm| !norm.last).into_iter().for_each(|norm| apply(head, norm));
        self.rotate(head);
        norm.filter(|norm| norm.last).into_iter().for_each(|norm| apply(head, norm));
    }

    fn rotate(&self, head: &mut [f32]) {
        let angles = self.cos[..self.half].iter().zip(&self.sin[..self.half]);
        let rotate = |u: &mut f32, v: &mut f32, (cos, sin): (&L::Number, &L::Number)| {
            let (a, b) = (L::Number::of(*u), L::Number::of(*v));
            (*u, *v) = ((a * *cos - b * *sin).to_f32(), (a * *sin + b * *cos).to_f32());
        };
        if self.neox {
            let (a, b) = head.split_at_mut(self.half);
            a.iter_mut().zip(b).zip(angles).for_each(|((u, v), angle)| rotate(u, v, angle));
        } else {
            let pairs = head.as_chunks_mut::<2>().0.iter_mut();
            pairs.zip(angles).for_each(|([u, v], angle)| rotate(u, v, angle));
        }
    }
}

/// The RMSNorm of a head.
#[derive(Clone, Copy)]
pub struct HeadNorm<'a> {
    weight: &'a [f32],
    eps: f32,
    /// It comes after the rotation.
    last: bool,
}

/// The norm of a head, where the model has one.
pub fn head_norm(weight: View<'_>, has_norm: u32, dim: usize, eps: f32) -> Option<HeadNorm<'_>> {
    (has_norm != 0).then(|| HeadNorm { weight: weight.floats(0..dim), eps, last: has_norm == 2 })
}

/// What a query at a position is multiplied by: see `shaders/shared/query_scale.wgsl`.
pub fn query_scale(scale: f32, stretch: f32, every: u32, position: u32) -> f32 {
    if stretch == 0.0 {
        return scale;
    }
    let times = 1.0 + f64::from(stretch) * f64::from(1 + position / every).ln();
    (f64::from(scale) * times) as f32
}
