//! Heads of the cache as f32.

use wide::u32x4;

use crate::base::precision::KvType;
use crate::kernels::cpu::half::widen;
use crate::kernels::rope::blocks::{self, Q4, Q8};
use crate::kernels::table::choices::Kv;

/// The numbers of a head.
pub fn unpack(kv: Kv, words: &[u32], to: &mut [f32]) {
    match kv.kind() {
        KvType::F32 => to.copy_from_slice(bytemuck::cast_slice(words)),
        KvType::F16 => halves(words, to),
        KvType::Q8 => blocks::load::<Q8>(words, to),
        KvType::Q4 => blocks::load::<Q4>(words, to),
    }
}

/// Pairs of f16, in order.
fn halves(words: &[u32], to: &mut [f32]) {
    let (fours, rest) = words.as_chunks::<4>();
    let (to, to_rest) = to.as_chunks_mut::<8>();
    for (words, to) in fours.iter().zip(to) {
        let [low, high] = widen(u32x4::new(*words));
        *to = bytemuck::cast([low.unpack_lo(high), low.unpack_hi(high)]);
    }
    if let [a, b] = *rest {
        let [low, high] = widen(u32x4::new([a, b, 0, 0]));
        to_rest.copy_from_slice(&low.unpack_lo(high).to_array());
    }
}
