#import formats/codes

// MXFP4, NVFP4: w = scale·twice the float of 4 bits (E2M1), a scale for 16 weights.
// Planes: the floats · two scales a block, bf16.
// CPU mirror: crate/quant/packed.rs
fn value(code: vec4<f32>, table: u32) -> vec4<f32> {
  let negative = code >= vec4<f32>(8.0);
  let m = select(code, code - vec4<f32>(8.0), negative);
  // 0, 1, 2, 3, 4, 6, 8, 12: three straight pieces, each the highest where it holds.
  let v = max(max(m, 2.0 * m - vec4<f32>(4.0)), 4.0 * m - vec4<f32>(16.0));
  return select(v, -v, negative);
}

struct Raw { q: vec4<u32>, scales: u32 }

fn fetch(b: u32) -> Raw {
  return Raw(weights[b], weights_u32[plane_offset(1u) + b]);
}

fn block(raw: Raw, b: u32) -> Block {
  let pair = raw.scales;
  return coded(raw.q, 0u, bitcast<vec2<f32>>(vec2<u32>(pair << 16u, pair & 0xffff0000u)));
}
