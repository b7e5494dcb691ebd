#import formats/unpack

// Q8_0: w = d·q. Planes: q, signed bytes · d f16 a block.
// CPU mirror: crate/quant/packed.rs
const HAS_OFFSET = false;
const Q_SIGNED = true;
const ONE_SCALE = true;

struct Raw { v: vec4<u32>, w: vec4<u32>, d: u32 }

fn fetch(b: u32) -> Raw {
  return Raw(weights[2u * b], weights[2u * b + 1u], weights_u32[plane_offset(1u) + (b >> 1u)]);
}

fn unpack(raw: Raw, b: u32) -> Packed {
  let v = raw.v;
  let w = raw.w;
  let d = unpack2x16float(raw.d >> ((b & 1u) << 4u)).x;
  return Packed(v.x, v.y, v.z, v.w, w.x, w.y, w.z, w.w, vec2<f32>(d), vec2<f32>(0.0));
}
