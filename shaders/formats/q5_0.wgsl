#import formats/unpack

// Q5_0: w = d·(q − 16). Planes: top four bits of the two's complement q − 16 · its lowest bit · d f16 a block.
// The five bits stay at the top of their byte, so the byte is 8·(q − 16), signed for free.
// CPU mirror: crate/quant/packed.rs
const HAS_OFFSET = false;
const Q_SIGNED = true;
const ONE_SCALE = true;

struct Raw { q: vec4<u32>, h: u32, d: u32 }

fn fetch(b: u32) -> Raw {
  return Raw(weights[b], weights_u32[plane_offset(1u) + b], weights_u32[plane_offset(2u) + (b >> 1u)]);
}

fn unpack(raw: Raw, b: u32) -> Packed {
  let v = raw.q;
  // Bit j of each byte belongs to word j.
  let h = raw.h;
  let even = ((v << vec4<u32>(4u)) & vec4<u32>(0xf0f0f0f0u)) |
    (vec4<u32>(h << 3u, h << 1u, h >> 1u, h >> 3u) & vec4<u32>(0x08080808u));
  let odd = (v & vec4<u32>(0xf0f0f0f0u)) |
    (vec4<u32>(h << 2u, h, h >> 2u, h >> 4u) & vec4<u32>(0x08080808u));
  let d = unpack2x16float(raw.d >> ((b & 1u) << 4u)).x;
  return Packed(even.x, odd.x, even.y, odd.y, even.z, odd.z, even.w, odd.w, vec2<f32>(d * 0.125), vec2<f32>(0.0));
}
