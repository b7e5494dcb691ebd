#import formats/unpack

// Q6_K: w = d·scale·(q − 32), a signed 8-bit scale for 16 weights.
// Planes: top four bits of the two's complement q − 32 · its low two bits · scales, two bytes a block · d f16 for 8 blocks.
// The six bits stay at the top of their byte, so the byte is 4·(q − 32), signed for free.
// CPU mirror: crate/quant/packed.rs
const HAS_OFFSET = false;
const Q_SIGNED = true;
const ONE_SCALE = false;

struct Raw { q: vec4<u32>, pair: vec4<u32>, scales: u32, d: u32 }

fn fetch(b: u32) -> Raw {
  return Raw(
    weights[b],
    weights[(plane_offset(1u) >> 2u) + (b >> 1u)],
    weights_u32[plane_offset(2u) + (b >> 1u)],
    weights_u32[plane_offset(3u) + (b >> 4u)],
  );
}

fn unpack(raw: Raw, b: u32) -> Packed {
  let v = raw.q;
  let h = select(raw.pair.xy, raw.pair.zw, (b & 1u) == 1u);
  let even = ((v << vec4<u32>(4u)) & vec4<u32>(0xf0f0f0f0u)) |
    (vec4<u32>(h.x << 2u, h.x >> 2u, h.y << 2u, h.y >> 2u) & vec4<u32>(0x0c0c0c0cu));
  let odd = (v & vec4<u32>(0xf0f0f0f0u)) |
    (vec4<u32>(h.x, h.x >> 4u, h.y, h.y >> 4u) & vec4<u32>(0x0c0c0c0cu));
  // An even block's scales are the upper half of their word.
  let s = raw.scales << ((b & 1u) << 4u);
  let scale = vec2<f32>(bitcast<vec2<i32>>(vec2<u32>(s << 8u, s)) >> vec2<u32>(24u));
  let d = unpack2x16float(raw.d >> ((b << 1u) & 16u)).x;
  return Packed(even.x, odd.x, even.y, odd.y, even.z, odd.z, even.w, odd.w, d * 0.25 * scale, vec2<f32>(0.0));
}
