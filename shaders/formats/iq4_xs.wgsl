#import formats/codes
#import formats/iq4

// IQ4_XS, IQ3_S, IQ3_XXS: w = d·(scale − 32)·value of the code.
// Planes: 4-bit codes · a byte a block: a scale of 6 bits, the number of the table above it · d f16 for 8 blocks.
// CPU mirror: crate/quant/packed.rs
fn value(code: vec4<f32>, table: u32) -> vec4<f32> {
  if (table == 0u) {
    return iq4(code);
  }
  // Odd numbers from -15 to 15; in IQ3_XXS both ends are half a step further out.
  let x = 2.0 * code - vec4<f32>(15.0);
  return select(x, x + 0.5 * sign(x), (abs(x) == vec4<f32>(15.0)) & vec4<bool>(table == 2u));
}

fn load_block(b: u32) -> Block {
  let s = (weights_u32[plane_offset(1u) + (b >> 2u)] >> ((b & 3u) << 3u)) & 0xffu;
  let d = unpack2x16float(weights_u32[plane_offset(2u) + (b >> 4u)] >> ((b << 1u) & 16u)).x;
  return coded(b, s >> 6u, vec2<f32>(d * (f32(s & 63u) - 32.0)));
}
