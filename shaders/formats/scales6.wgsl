// Pairs of 6-bit scales, eight pairs in 96 bits: words y and z hold the low four bits of the
// first and the second of pair i at bit 4i; word w the high two bits of the first at bit 2i, of
// the second at bit 16 + 2i.

// The pair of block b, each 0..64.
fn scale_pair(words: vec4<u32>, b: u32) -> vec2<f32> {
  let i = b & 7u;
  let low = vec2<u32>(words.y, words.z) >> vec2<u32>(i << 2u);
  let high = words.w >> (i << 1u);
  return vec2<f32>((low & vec2<u32>(0xfu)) | (vec2<u32>(high << 4u, high >> 12u) & vec2<u32>(0x30u)));
}
