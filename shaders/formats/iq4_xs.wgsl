#import formats/codes
#import formats/iq4

// IQ4_XS, IQ3_S, IQ3_XXS: w = d·(scale − 32)·value of the code.
// Planes: 4-bit codes · a byte a block: a scale of 6 bits, the number of the table above it · d f16 for 8 blocks.
// CPU mirror: crate/quant/packed.rs
fn value(code: vec4<f32>, table: u32) -> vec4<f32> {
  var v = iq4(code);
  if (table != 0u) {
    // Odd numbers from -15 to 15; in IQ3_XXS both ends are half a step further out.
    v = 2.0 * code - vec4<f32>(15.0);
    v = select(v, v + 0.5 * sign(v), (abs(v) == vec4<f32>(15.0)) & vec4<bool>(table == 2u));
  }
  return v;
}

struct Raw { q: vec4<u32>, scales: u32, d: u32 }

fn fetch(b: u32) -> Raw {
  return Raw(weights[b], weights_u32[plane_offset(1u) + (b >> 2u)], weights_u32[plane_offset(2u) + (b >> 4u)]);
}

fn block(raw: Raw, b: u32) -> Block {
  let s = (raw.scales >> ((b & 3u) << 3u)) & 0xffu;
  let d = unpack2x16float(raw.d >> ((b << 1u) & 16u)).x;
  return coded(raw.q, s >> 6u, vec2<f32>(d * (f32(s & 63u) - 32.0)));
}
