//! Blocks of 32 weights with a scale, and a minimum where there is one: Q8_0 to Q4_0.

use half::f16;

use super::search::{FINE, LANES, Lanes, mean_square, ranged, symmetric};

/// Weights of a block.
const LEN: usize = 32;

/// A type of 4 or 5 bits.
pub struct Small {
    /// The largest integer.
    most: u8,
    /// 0 is its middle: w = d · (q − middle). Else it is the smallest weight: w = d · q + m.
    centred: bool,
}

pub const Q4_0: Small = Small { most: 15, centred: true };
pub const Q4_1: Small = Small { most: 15, centred: false };
pub const Q5_0: Small = Small { most: 31, centred: true };
pub const Q5_1: Small = Small { most: 31, centred: false };

/// What weights are multiplied with: 1 / d, or nothing where all are 0.
fn inverse(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}

/// Halves go away from 0. Not `round`, which wasm has no instruction for, so that it would be a call for each weight.
pub fn q8_0(weights: &[f32], out: &mut Vec<u8>) {
    weights.chunks_exact(LEN).for_each(|block| q8_0_block(block, out));
}

fn q8_0_block(block: &[f32], out: &mut Vec<u8>) {
    let most = block.iter().fold(0.0f32, |most, x| if x.abs() > most { x.abs() } else { most });
    let d = most / 127.0;
    let by = inverse(d);
    let mut q = [0u8; LEN];
    for (q, x) in q.iter_mut().zip(block) {
        let x = x * by;
        let whole = x as i32;
        let rest = x - whole as f32;
        *q = (whole + i32::from(rest >= 0.5) - i32::from(rest <= -0.5)) as u8;
    }
    out.extend(f16::from_f32(d).to_le_bytes());
    out.extend_from_slice(&q);
}

impl Small {
    /// The largest weight, or the smallest and the largest, are exact, all others the nearest.
    pub fn write(&self, weights: &[f32], out: &mut Vec<u8>) {
        let most = f32::from(self.most);
        for x in weights.as_chunks::<LEN>().0 {
            let (d, low, middle) = if self.centred {
                let end = x.iter().fold(0.0f32, |end, x| if x.abs() > end.abs() { *x } else { end });
                let half = (most + 1.0) / 2.0;
                (end / -half, 0.0, half)
            } else {
                let (low, high) = x.iter().fold((f32::MAX, f32::MIN), |(low, high), x| (low.min(*x), high.max(*x)));
                ((high - low) / most, low, 0.0)
            };
            let by = inverse(d);
            let q = x.map(|x| (((x - low) * by + middle + 0.5) as i32 as u8).min(self.most));
            self.pack(d, low, &q, out);
        }
    }

    /// A row's blocks, eight at a time, by how much each column counts.
    pub fn write_by(&self, row: &[f32], importance: &[f32], out: &mut Vec<u8>) {
        let most = f32::from(self.most);
        let square = mean_square(row);
        for (row, importance) in row.chunks(LEN * LANES).zip(importance.chunks(LEN * LANES)) {
            let x = lanes(|at| row.get(at).copied().unwrap_or(0.0));
            let weights = lanes(|at| row.get(at).map_or(0.0, |x| importance[at] * (square + x * x).sqrt()));
            let (q, scale, low) = if self.centred {
                let (q, scale) = symmetric((most + 1.0) / 2.0, &x, &weights);
                (q, scale, [0.0; LANES])
            } else {
                let (q, scale, min) = ranged(most, &x, &weights, FINE);
                (q, scale, min.map(|min| -min))
            };
            for j in 0..row.len() / LEN {
                self.pack(scale[j], low[j], &q.map(|q| q[j] as u8), out);
            }
        }
    }

    /// Four bits each, the second half of a block above the first; before them the fifth bits, where there are any.
    fn pack(&self, d: f32, low: f32, q: &[u8; LEN], out: &mut Vec<u8>) {
        out.extend(f16::from_f32(d).to_le_bytes());
        if !self.centred {
            out.extend(f16::from_f32(low).to_le_bytes());
        }
        if self.most > 15 {
            let high = q.iter().enumerate().fold(0u32, |bits, (i, q)| bits | u32::from(q >> 4) << i);
            out.extend(high.to_le_bytes());
        }
        let packed: [u8; LEN / 2] = std::array::from_fn(|i| q[i] & 15 | (q[i + LEN / 2] & 15) << 4);
        out.extend_from_slice(&packed);
    }
}

/// Eight blocks of numbers, one a lane.
fn lanes(number: impl Fn(usize) -> f32) -> [Lanes; LEN] {
    std::array::from_fn(|i| std::array::from_fn(|j| number(j * LEN + i)))
}
