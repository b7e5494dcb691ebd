#import formats/unpack

// Q5_1: w = d·q + m. Planes: low four bits of q · its fifth bit · (d, m) f16 a block.
// CPU mirror: crate/quant/packed.rs
const HAS_OFFSET = true;
const Q_SIGNED = false;
const ONE_SCALE = true;

struct Raw { q: vec4<u32>, h: u32, dm: u32 }

fn fetch(b: u32) -> Raw {
  return Raw(weights[b], weights_u32[plane_offset(1u) + b], weights_u32[plane_offset(2u) + b]);
}

fn unpack(raw: Raw, b: u32) -> Packed {
  let v = raw.q;
  // Bit j of each byte belongs to word j.
  let h = raw.h;
  let even = (v & vec4<u32>(0x0f0f0f0fu)) |
    (vec4<u32>(h << 4u, h << 2u, h, h >> 2u) & vec4<u32>(0x10101010u));
  let odd = ((v >> vec4<u32>(4u)) & vec4<u32>(0x0f0f0f0fu)) |
    (vec4<u32>(h << 3u, h << 1u, h >> 1u, h >> 3u) & vec4<u32>(0x10101010u));
  let dm = unpack2x16float(raw.dm);
  return Packed(even.x, odd.x, even.y, odd.y, even.z, odd.z, even.w, odd.w, dm.xx, dm.yy);
}
