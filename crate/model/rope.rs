//! The cos/sin table of RoPE, made in double precision: `shaders/rope/rope_kv.wgsl` adds a coarse and a fine angle.

use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::memory::Memory;
use crate::model::spec::{Net, Rope};

/// Positions per coarse step.
pub const FINE: u32 = 256;

/// (cos, sin) pairs, [FINE + coarse steps][dim / 2]: first the angles of positions 0..FINE, then those of
/// 0, FINE, 2 FINE … up to `context`, multiplied by the amplitude. `factors` is what divides the frequencies, or empty.
pub fn table(rope: &Rope, factors: &[f32], context: u32) -> Vec<f32> {
    let half = rope.dim / 2;
    let fine = (0..FINE).map(|position| (f64::from(position), 1.0));
    let coarse = (0..=context / FINE).map(|step| (f64::from(step * FINE), f64::from(rope.amplitude)));
    let frequencies: Vec<f64> = (0..half).map(|i| frequency(rope, factors, i)).collect();
    let mut out = Vec::with_capacity(((FINE + context / FINE + 1) * half * 2) as usize);
    for (position, amplitude) in fine.chain(coarse) {
        for frequency in &frequencies {
            let (sin, cos) = (position * frequency).sin_cos();
            out.extend([(amplitude * cos) as f32, (amplitude * sin) as f32]);
        }
    }
    out
}

/// By how much pair `i` turns from a position to the next.
fn frequency(rope: &Rope, factors: &[f32], i: u32) -> f64 {
    let factor = f64::from(factors.get(i as usize).copied().unwrap_or(1.0));
    let frequency = f64::from(rope.theta).powf(-2.0 * f64::from(i) / f64::from(rope.dim)) / factor;
    let scale = f64::from(rope.scale);
    let stretched = match rope.ramp {
        None => 1.0,
        Some((from, to)) => ((f64::from(i) - f64::from(from)) / f64::from(to - from).max(0.001)).clamp(0.0, 1.0),
    };
    frequency * (scale * stretched + (1.0 - stretched))
}

/// One table for each rotation that a model has.
pub struct Tables {
    distinct: Vec<Table>,
    /// Of each layer.
    pub by_layer: Vec<BufferId>,
}

struct Table {
    rope: Rope,
    buffer: BufferId,
    /// (cos, sin) pairs by which keys are moved: [dim / 2].
    shift: BufferId,
    /// Of each pair.
    frequencies: Vec<f64>,
}

impl Tables {
    /// Fails as `memory` does.
    pub fn place(net: &Net, context: u32, memory: &mut dyn Memory) -> Result<Self> {
        let mut tables = Tables { distinct: Vec::new(), by_layer: Vec::with_capacity(net.blocks.len()) };
        for block in &net.blocks {
            let rope = block.attention().map_or(Rope::NONE, |attention| attention.rope);
            // Which dimensions are rotated together is nothing to the table.
            let same = |other: &Rope| Rope { pairs: rope.pairs, ..*other } == rope;
            let buffer = match tables.distinct.iter().find(|table| same(&table.rope)) {
                Some(table) => table.buffer,
                None => {
                    let angles = u64::from(FINE + context / FINE + 1) * u64::from(rope.dim) / 2;
                    let buffer = memory.alloc("rope", angles * 8)?;
                    let shift = memory.alloc("rope shift", u64::from(rope.dim) * 4)?;
                    tables.distinct.push(Table { rope, buffer, shift, frequencies: Vec::new() });
                    buffer
                }
            };
            tables.by_layer.push(buffer);
        }
        Ok(tables)
    }

    /// Fills them in, once the file's factors are there.
    pub fn write(&mut self, factors: &[f32], context: u32, memory: &mut dyn Memory) {
        for Table { rope, buffer, frequencies, .. } in &mut self.distinct {
            let factors = if rope.factors { factors } else { &[] };
            let table = table(rope, factors, context);
            memory.write(*buffer, 0, bytemuck::cast_slice(&table));
            *frequencies = (0..rope.dim / 2).map(|i| frequency(rope, factors, i)).collect();
        }
    }

    /// The angles by which a layer's keys are moved, where they are rotated.
    pub fn shift(&self, layer: usize) -> Option<BufferId> {
        let buffer = self.by_layer.get(layer)?;
        let table = self.distinct.iter().find(|table| table.buffer == *buffer)?;
        (table.rope.dim > 0).then_some(table.shift)
    }

    /// Makes them those of so many positions back. Their length is 1: a key has its amplitude already.
    pub fn write_shift(&self, back: u32, memory: &mut dyn Memory) {
        for Table { shift, frequencies, .. } in self.distinct.iter().filter(|table| table.rope.dim > 0) {
            let angle = |frequency: &f64| {
                let (sin, cos) = (-f64::from(back) * frequency).sin_cos();
                [cos as f32, sin as f32]
            };
            let angles: Vec<[f32; 2]> = frequencies.iter().map(angle).collect();
            memory.write(*shift, 0, bytemuck::cast_slice(&angles));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::Pairs;

    const PLAIN: Rope =
        Rope { dim: 8, pairs: Pairs::Halves, theta: 1e4, scale: 1.0, ramp: None, amplitude: 1.0, factors: true };

    #[test]
    fn coarse_and_fine_angles_add_up() {
        let (position, amplitude) = (777u32, 1.5);
        let t = table(&Rope { amplitude, ..PLAIN }, &[], 1024);
        for i in 0..4usize {
            let at = |step: u32| (t[2 * (step as usize * 4 + i)] as f64, t[2 * (step as usize * 4 + i) + 1] as f64);
            let ((cc, cs), (fc, fs)) = (at(FINE + position / FINE), at(position % FINE));
            let angle = position as f64 * 1e4f64.powf(-2.0 * i as f64 / 8.0);
            let amplitude = f64::from(amplitude);
            assert!((cc * fc - cs * fs - amplitude * angle.cos()).abs() < 1e-6);
            assert!((cs * fc + cc * fs - amplitude * angle.sin()).abs() < 1e-6);
        }
    }

    #[test]
    fn scale_and_factors_slow_the_rotation() {
        let plain = table(&Rope { dim: 4, ..PLAIN }, &[], 256);
        let slowed = table(&Rope { dim: 4, scale: 0.5, ..PLAIN }, &[1.0, 4.0], 256);
        // Position 2 at half speed is position 1; pair 1 is four times slower still.
        assert_eq!(slowed[2 * 4], plain[4]);
        let expected = (2.0 * 0.5 * 0.01 / 4.0f64).sin() as f32;
        assert!((slowed[2 * 4 + 3] - expected).abs() < 1e-9);
    }

    #[test]
    fn a_ramp_stretches_slow_pairs_only() {
        let ramped = Rope { scale: 0.25, ramp: Some((0.0, 2.0)), ..PLAIN };
        let ratio = |i| frequency(&ramped, &[], i) / frequency(&PLAIN, &[], i);
        assert_eq!([0, 1, 2, 3].map(ratio), [1.0, 0.625, 0.25, 0.25]);
    }
}
