//! The cos/sin table of RoPE, made in double precision: `shaders/rope/rope_kv.wgsl` adds a coarse and a fine angle.

use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::memory::Memory;
use crate::model::spec::{Net, Rope};

/// Positions per coarse step.
pub const FINE: u32 = 256;

/// (cos, sin) pairs, [FINE + coarse steps][rope_dim / 2]: first the angles of positions 0..FINE, then those of
/// 0, FINE, 2 FINE … up to `context`. A pair's angle is position * scale * theta^(-2i/rope_dim) / factors[i].
/// `factors` is the file's `rope_freqs` (Llama 3's long-context scaling), or empty.
pub fn table(rope_dim: u32, theta: f32, scale: f32, factors: &[f32], context: u32) -> Vec<f32> {
    let half = rope_dim / 2;
    let fine = (0..FINE).map(f64::from);
    let coarse = (0..=context / FINE).map(|step| f64::from(step * FINE));
    let mut out = Vec::with_capacity(((FINE + context / FINE + 1) * half * 2) as usize);
    for position in fine.chain(coarse) {
        for i in 0..half {
            let factor = factors.get(i as usize).copied().unwrap_or(1.0) as f64;
            let frequency = (theta as f64).powf(-2.0 * i as f64 / rope_dim as f64) / factor;
            let (sin, cos) = (position * scale as f64 * frequency).sin_cos();
            out.extend([cos as f32, sin as f32]);
        }
    }
    out
}

/// One table for each rotation that a model has.
pub struct Tables {
    distinct: Vec<(Rope, BufferId)>,
    /// Of each layer.
    pub by_layer: Vec<BufferId>,
}

impl Tables {
    /// Fails as `memory` does.
    pub fn place(net: &Net, context: u32, memory: &mut dyn Memory) -> Result<Self> {
        let mut tables = Tables { distinct: Vec::new(), by_layer: Vec::with_capacity(net.blocks.len()) };
        for block in &net.blocks {
            let rope = block.attention().rope;
            // Which dimensions are rotated together is nothing to the table.
            let same = |other: &Rope| Rope { pairs: rope.pairs, ..*other } == rope;
            let buffer = match tables.distinct.iter().find(|(other, _)| same(other)) {
                Some(&(_, buffer)) => buffer,
                None => {
                    let angles = u64::from(FINE + context / FINE + 1) * u64::from(rope.dim) / 2;
                    let buffer = memory.alloc("rope", angles * 8)?;
                    tables.distinct.push((rope, buffer));
                    buffer
                }
            };
            tables.by_layer.push(buffer);
        }
        Ok(tables)
    }

    /// Fills them in, once the file's factors are there.
    pub fn write(&self, factors: &[f32], context: u32, memory: &mut dyn Memory) {
        for (rope, buffer) in &self.distinct {
            let table = table(rope.dim, rope.theta, rope.scale, factors, context);
            memory.write(*buffer, 0, bytemuck::cast_slice(&table));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coarse_and_fine_angles_add_up() {
        let (dim, theta, position) = (8, 10_000.0f32, 777u32);
        let t = table(dim, theta, 1.0, &[], 1024);
        for i in 0..4usize {
            let at = |step: u32| (t[2 * (step as usize * 4 + i)] as f64, t[2 * (step as usize * 4 + i) + 1] as f64);
            let ((cc, cs), (fc, fs)) = (at(FINE + position / FINE), at(position % FINE));
            let angle = position as f64 * (theta as f64).powf(-2.0 * i as f64 / 8.0);
            assert!((cc * fc - cs * fs - angle.cos()).abs() < 1e-6);
            assert!((cs * fc + cc * fs - angle.sin()).abs() < 1e-6);
        }
    }

    #[test]
    fn scale_and_factors_slow_the_rotation() {
        let plain = table(4, 10_000.0, 1.0, &[], 256);
        let slowed = table(4, 10_000.0, 0.5, &[1.0, 4.0], 256);
        // Position 2 at half speed is position 1; pair 1 is four times slower still.
        assert_eq!(slowed[2 * 4], plain[4]);
        let expected = (2.0 * 0.5 * 0.01 / 4.0f64).sin() as f32;
        assert!((slowed[2 * 4 + 3] - expected).abs() < 1e-9);
    }
}
