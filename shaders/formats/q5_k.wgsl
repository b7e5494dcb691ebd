#import formats/unpack
#import formats/scales6

// Q5_K: w = d·scale·q − dmin·min, scale and min 6 bits a block.
// Planes: low four bits of q · its fifth bit · for 8 blocks (d, dmin) f16 and 12 bytes of (scale, min).
// CPU mirror: crate/quant/packed.rs
const HAS_OFFSET = true;
const Q_SIGNED = false;
const ONE_SCALE = true;

struct Raw { q: vec4<u32>, h: u32, words: vec4<u32> }

fn fetch(b: u32) -> Raw {
  return Raw(weights[b], weights_u32[plane_offset(1u) + b], weights[(plane_offset(2u) >> 2u) + (b >> 3u)]);
}

fn unpack(raw: Raw, b: u32) -> Packed {
  let v = raw.q;
  // Bit j of each byte belongs to word j.
  let h = raw.h;
  let even = (v & vec4<u32>(0x0f0f0f0fu)) |
    (vec4<u32>(h << 4u, h << 2u, h, h >> 2u) & vec4<u32>(0x10101010u));
  let odd = ((v >> vec4<u32>(4u)) & vec4<u32>(0x0f0f0f0fu)) |
    (vec4<u32>(h << 3u, h << 1u, h >> 1u, h >> 3u) & vec4<u32>(0x10101010u));
  let s = unpack2x16float(raw.words.x) * scale_pair(raw.words, b);
  return Packed(even.x, odd.x, even.y, odd.y, even.z, odd.z, even.w, odd.w, s.xx, -s.yy);
}
