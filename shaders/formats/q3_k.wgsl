#import formats/unpack
#import formats/scales6

// Q3_K: w = d·(scale − 32)·(q − 4), a 6-bit scale for 16 weights.
// Planes: top two bits of the two's complement q − 4 · its lowest bit · for 8 blocks d f32 and 12 bytes of scales.
// The three bits stay at the top of their byte, so the byte is 32·(q − 4), signed for free.
// CPU mirror: crate/quant/packed.rs
const HAS_OFFSET = false;
const Q_SIGNED = true;
const ONE_SCALE = false;

struct Raw { pair: vec4<u32>, h: u32, words: vec4<u32> }

fn fetch(b: u32) -> Raw {
  return Raw(weights[b >> 1u], weights_u32[plane_offset(1u) + b], weights[(plane_offset(2u) >> 2u) + (b >> 3u)]);
}

fn unpack(raw: Raw, b: u32) -> Packed {
  let v = select(raw.pair.xy, raw.pair.zw, (b & 1u) == 1u);
  // Bit j of each byte belongs to word j.
  let h = raw.h;
  let even = (vec4<u32>(v.x << 6u, v.x << 2u, v.y << 6u, v.y << 2u) & vec4<u32>(0xc0c0c0c0u)) |
    (vec4<u32>(h << 5u, h << 3u, h << 1u, h >> 1u) & vec4<u32>(0x20202020u));
  let odd = (vec4<u32>(v.x << 4u, v.x, v.y << 4u, v.y) & vec4<u32>(0xc0c0c0c0u)) |
    (vec4<u32>(h << 4u, h << 2u, h, h >> 2u) & vec4<u32>(0x20202020u));
  let d = bitcast<f32>(raw.words.x) * 0.03125;
  let scale = d * (scale_pair(raw.words, b) - vec2<f32>(32.0));
  return Packed(even.x, odd.x, even.y, odd.y, even.z, odd.z, even.w, odd.w, scale, vec2<f32>(0.0));
}
