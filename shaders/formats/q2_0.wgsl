#import formats/unpack

// Q2_0, TQ1_0, TQ2_0: w = d·(q − 1). Planes: 2-bit q · d f16 for 2 blocks.
// CPU mirror: crate/quant/packed.rs
const HAS_OFFSET = false;
const Q_SIGNED = true;
const ONE_SCALE = true;

// Four bytes less 1 each: the bit above them keeps what one borrows from the next.
fn less_one(q: vec4<u32>) -> vec4<u32> {
  return (((q & vec4<u32>(0x03030303u)) | vec4<u32>(0x80808080u)) - vec4<u32>(0x01010101u)) ^ vec4<u32>(0x80808080u);
}

struct Raw { pair: vec4<u32>, d: u32 }

fn fetch(b: u32) -> Raw {
  return Raw(weights[b >> 1u], weights_u32[plane_offset(1u) + (b >> 2u)]);
}

fn unpack(raw: Raw, b: u32) -> Packed {
  let v = select(raw.pair.xy, raw.pair.zw, (b & 1u) == 1u);
  let even = less_one(vec4<u32>(v.x, v.x >> 4u, v.y, v.y >> 4u));
  let odd = less_one(vec4<u32>(v.x >> 2u, v.x >> 6u, v.y >> 2u, v.y >> 6u));
  let d = unpack2x16float(raw.d >> ((b << 3u) & 16u)).x;
  return Packed(even.x, odd.x, even.y, odd.y, even.z, odd.z, even.w, odd.w, vec2<f32>(d), vec2<f32>(0.0));
}
