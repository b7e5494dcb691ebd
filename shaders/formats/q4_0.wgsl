#import formats/unpack

// Q4_0: w = d·(q − 8). Planes: 4-bit two's complement q − 8 · d f16 a block.
// The nibble stays in the top half of its byte, so the byte is 16·(q − 8), signed for free.
// CPU mirror: crate/quant/packed.rs
const HAS_OFFSET = false;
const Q_SIGNED = true;
const ONE_SCALE = true;

struct Raw { q: vec4<u32>, d: u32 }

fn fetch(b: u32) -> Raw {
  return Raw(weights[b], weights_u32[plane_offset(1u) + (b >> 1u)]);
}

fn unpack(raw: Raw, b: u32) -> Packed {
  let v = raw.q;
  let even = (v << vec4<u32>(4u)) & vec4<u32>(0xf0f0f0f0u);
  let odd = v & vec4<u32>(0xf0f0f0f0u);
  let d = unpack2x16float(raw.d >> ((b & 1u) << 4u)).x;
  return Packed(even.x, odd.x, even.y, odd.y, even.z, odd.z, even.w, odd.w, vec2<f32>(d * 0.0625), vec2<f32>(0.0));
}
