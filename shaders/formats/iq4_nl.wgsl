#import formats/codes
#import formats/iq4

// IQ4_NL: w = d·value of the code. Planes: 4-bit codes · d f16 a block.
// CPU mirror: crate/quant/packed.rs
fn value(code: vec4<f32>, table: u32) -> vec4<f32> {
  return iq4(code);
}

struct Raw { q: vec4<u32>, d: u32 }

fn fetch(b: u32) -> Raw {
  return Raw(weights[b], weights_u32[plane_offset(1u) + (b >> 1u)]);
}

fn block(raw: Raw, b: u32) -> Block {
  let d = unpack2x16float(raw.d >> ((b & 1u) << 4u)).x;
  return coded(raw.q, 0u, vec2<f32>(d));
}
