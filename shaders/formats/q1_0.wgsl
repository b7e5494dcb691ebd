#import formats/unpack

// Q1_0: w = ±d = 2d·q − d. Planes: 1-bit q · d f16 for 4 blocks.
// CPU mirror: crate/quant/packed.rs
const HAS_OFFSET = true;
const Q_SIGNED = false;
const ONE_SCALE = true;

struct Raw { q: u32, d: u32 }

fn fetch(b: u32) -> Raw {
  return Raw(weights_u32[b], weights_u32[plane_offset(1u) + (b >> 3u)]);
}

fn unpack(raw: Raw, b: u32) -> Packed {
  // Bit j of each byte belongs to word j.
  let h = vec4<u32>(raw.q);
  let low = (h >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(0x01010101u);
  let high = (h >> vec4<u32>(4u, 5u, 6u, 7u)) & vec4<u32>(0x01010101u);
  let d = unpack2x16float(raw.d >> ((b << 2u) & 16u)).x;
  return Packed(low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w, vec2<f32>(2.0 * d), vec2<f32>(-d));
}
