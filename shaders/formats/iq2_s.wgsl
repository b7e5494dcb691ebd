// IQ2_S and all others of 1 and 2 bits with a grid: w = d·(2·scale + 1)·±magnitude, a 4-bit scale for 16 weights.
// Planes: 2-bit numbers of magnitudes · signs · for 8 blocks d f32, 8 bytes of scales, the magnitudes, a byte each.
// CPU mirror: crate/quant/packed.rs
const HAS_OFFSET = false;

fn value(number: u32, negative: u32, magnitudes: u32) -> vec4<f32> {
  let m = vec4<u32>(number, number >> 8u, number >> 16u, number >> 24u) & vec4<u32>(3u);
  let v = vec4<f32>((vec4<u32>(magnitudes) >> (m << vec4<u32>(3u))) & vec4<u32>(0xffu));
  let s = vec4<u32>(negative, negative >> 8u, negative >> 16u, negative >> 24u) & vec4<u32>(1u);
  return select(v, -v, s == vec4<u32>(1u));
}

struct Raw { pair: vec4<u32>, h: u32, words: vec4<u32> }

fn fetch(b: u32) -> Raw {
  return Raw(weights[b >> 1u], weights_u32[plane_offset(1u) + b], weights[(plane_offset(2u) >> 2u) + (b >> 3u)]);
}

fn block(raw: Raw, b: u32) -> Block {
  let v = select(raw.pair.xy, raw.pair.zw, (b & 1u) == 1u);
  // Bit j of each byte belongs to word j.
  let h = raw.h;
  let words = raw.words;
  let s = select(words.y, words.z, (b & 4u) != 0u) >> ((b & 3u) << 3u);
  let scale = bitcast<f32>(words.x) * vec2<f32>(((vec2<u32>(s, s >> 4u) & vec2<u32>(15u)) << vec2<u32>(1u)) + vec2<u32>(1u));
  let t = words.w;
  return Block(
    value(v.x, h, t),
    value(v.x >> 2u, h >> 1u, t),
    value(v.x >> 4u, h >> 2u, t),
    value(v.x >> 6u, h >> 3u, t),
    value(v.y, h >> 4u, t),
    value(v.y >> 2u, h >> 5u, t),
    value(v.y >> 4u, h >> 6u, t),
    value(v.y >> 6u, h >> 7u, t),
    scale,
    vec2<f32>(0.0),
  );
}

fn load_block(b: u32) -> Block {
  return block(fetch(b), b);
}
