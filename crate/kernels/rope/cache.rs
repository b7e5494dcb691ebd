//! How the cache of keys and values holds numbers.

use half::f16;
use wide::{f32x4, u32x4};

use super::blocks::{self, Q4, Q8};
use crate::base::precision::KvType;
use crate::kernels::cpu::half::from_f32;
use crate::kernels::job::View;
use crate::kernels::table::choices::Kv;

impl Kv {
    /// What it reads and writes.
    pub fn kind(self) -> KvType {
        match self {
            Kv::F32 => KvType::F32,
            Kv::Pack16 | Kv::F16 => KvType::F16,
            Kv::Q8 => KvType::Q8,
            Kv::Q4 => KvType::Q4,
        }
    }

    /// Words of a head.
    pub fn words(self, head_dim: usize) -> usize {
        self.kind().head_bytes(head_dim as u32) as usize / 4
    }

    /// Heads of queries and keys are [turned](blocks::turn).
    pub fn turned(self) -> bool {
        self.kind().block() > 1
    }
}

/// Writes heads of `dim` numbers to the cache, from its head number `first` on. Lengths are multiples of 4.
pub fn store(cache: View, first: usize, heads: &[f32], dim: usize, kv: Kv) {
    let each = kv.words(dim);
    for (head, at) in heads.chunks_exact(dim).zip((first * each..).step_by(each)) {
        let words = cache.words_mut(at..at + each);
        match kv.kind() {
            KvType::F32 => words.copy_from_slice(bytemuck::cast_slice(head)),
            KvType::F16 => halves(head, words),
            KvType::Q8 => blocks::store::<Q8>(head, words),
            KvType::Q4 => blocks::store::<Q4>(head, words),
        }
    }
}

/// Pairs of f16.
fn halves(head: &[f32], words: &mut [u32]) {
    for (words, values) in words.as_chunks_mut::<2>().0.iter_mut().zip(head.as_chunks::<4>().0) {
        // What f16 cannot hold becomes its largest number; what is no number stays none.
        let values = f32x4::new(*values);
        let held = values.fast_clamp(f32x4::splat(-65504.0), f32x4::splat(65504.0));
        let finite: u32x4 = bytemuck::cast(values.is_finite());
        let [a, b, c, d] = (from_f32(held) | !finite & u32x4::splat(0x7e00)).to_array();
        *words = [a | b << 16, c | d << 16];
    }
}

/// Reads head number `index` of `dim` numbers.
pub fn load(cache: View, index: usize, dim: usize, kv: Kv) -> Vec<f32> {
    let each = kv.words(dim);
    let words = cache.words(index * each..(index + 1) * each);
    let mut head = vec![0.0; dim];
    match kv.kind() {
        KvType::F32 => head.copy_from_slice(bytemuck::cast_slice(words)),
        KvType::F16 => {
            let halves: &[u16] = bytemuck::cast_slice(words);
            head.iter_mut().zip(halves).for_each(|(to, bits)| *to = f16::from_bits(*bits).to_f32());
        }
        KvType::Q8 => blocks::load::<Q8>(words, &mut head),
        KvType::Q4 => blocks::load::<Q4>(words, &mut head),
    }
    head
}
