//! How the cache of keys and values holds numbers.

use half::f16;
use wide::{f32x4, u32x4};

use crate::kernels::cpu::half::from_f32;
use crate::kernels::job::View;
use crate::kernels::table::choices::Kv;

/// Writes heads to elements from `at` on: as pairs of f16, or as f32. Lengths are multiples of 4.
pub fn store(cache: View, at: usize, heads: &[f32], kv: Kv) {
    if kv == Kv::F32 {
        cache.floats_mut(at..at + heads.len()).copy_from_slice(heads);
        return;
    }
    let words = cache.words_mut(at / 2..(at + heads.len()) / 2);
    for (words, values) in words.as_chunks_mut::<2>().0.iter_mut().zip(heads.as_chunks::<4>().0) {
        // What f16 cannot hold becomes its largest number; what is no number stays none.
        let values = f32x4::new(*values);
        let held = values.fast_clamp(f32x4::splat(-65504.0), f32x4::splat(65504.0));
        let finite: u32x4 = bytemuck::cast(values.is_finite());
        let [a, b, c, d] = (from_f32(held) | !finite & u32x4::splat(0x7e00)).to_array();
        *words = [a | b << 16, c | d << 16];
    }
}

/// Element `at` of a cache.
pub fn load(cache: View, at: usize, kv: Kv) -> f32 {
    if kv == Kv::F32 {
        return cache.floats(at..at + 1)[0];
    }
    f16::from_bits((cache.words(at / 2..at / 2 + 1)[0] >> (16 * (at % 2))) as u16).to_f32()
}
