#import formats/unpack

// Q2_K: w = d·scale·q − dmin·min, scale and min 4 bits for 16 weights.
// Planes: 2-bit q · (scale, min) nibbles, two bytes a block · (d, dmin) f16 for 8 blocks.
// CPU mirror: crate/quant/packed.rs
const HAS_OFFSET = true;
const Q_SIGNED = false;
const ONE_SCALE = false;

struct Raw { pair: vec4<u32>, scales: u32, dm: u32 }

fn fetch(b: u32) -> Raw {
  return Raw(weights[b >> 1u], weights_u32[plane_offset(1u) + (b >> 1u)], weights_u32[plane_offset(2u) + (b >> 3u)]);
}

fn unpack(raw: Raw, b: u32) -> Packed {
  let v = select(raw.pair.xy, raw.pair.zw, (b & 1u) == 1u);
  let even = vec4<u32>(v.x, v.x >> 4u, v.y, v.y >> 4u) & vec4<u32>(0x03030303u);
  let odd = vec4<u32>(v.x >> 2u, v.x >> 6u, v.y >> 2u, v.y >> 6u) & vec4<u32>(0x03030303u);
  let s = raw.scales >> ((b & 1u) << 4u);
  let dm = unpack2x16float(raw.dm);
  let scale = vec2<f32>(vec2<u32>(s, s >> 8u) & vec2<u32>(15u));
  let lowest = vec2<f32>(vec2<u32>(s >> 4u, s >> 12u) & vec2<u32>(15u));
  return Packed(even.x, odd.x, even.y, odd.y, even.z, odd.z, even.w, odd.w, dm.x * scale, -dm.y * lowest);
}
