//! How fast a thread multiplies weights, of the type that most files have most of: for a device that has no other kernel
//! of the CPU, too.

use super::activations::{Block, Panel};
use super::dots;
use super::formats::{self, Part};
use super::layout::ROWS;
use crate::quant::{self, TensorType};

const KIND: TensorType = TensorType::Q4_K;
/// Rows of the matrix, and their length: it is larger than a core's own caches.
const N: usize = 2048;

/// A matrix and a row of activations, all zeros: they take as long as others.
pub struct Probe {
    words: Vec<u32>,
    planes: [u32; 4],
    q: Vec<[[i16; 4]; 1]>,
    blocks: Vec<[Block; 1]>,
}

impl Default for Probe {
    fn default() -> Self {
        let (offsets, bytes) = quant::plane_offsets(KIND, (N * N) as u64);
        let mut planes = [0; 4];
        planes.iter_mut().zip(&offsets).for_each(|(plane, at)| *plane = (at / 4) as u32);
        let words = vec![0; bytes.div_ceil(4) as usize];
        Probe { words, planes, q: vec![Default::default(); N / 4], blocks: vec![Default::default(); N / quant::BLOCK] }
    }
}

impl Probe {
    /// Weights that are multiplied in one [`Probe::run`].
    pub const WEIGHTS: f64 = (N * N) as f64;

    /// Multiplies all of them, as one decoded token does; gives the sum.
    pub fn run(&self) -> f32 {
        let part = Part::new(KIND, &self.words, self.planes, N / quant::BLOCK);
        let x = Panel { q: &self.q, blocks: &self.blocks };
        let half = N / ROWS / 2;
        (0..half).map(|quad| dots::two::<formats::Q4_K, i16>(&part, [quad, quad + half], x)[0].to_array()[0]).sum()
    }
}
