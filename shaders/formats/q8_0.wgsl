#import formats/unpack

// Q8_0: w = d·q. Planes: q, signed bytes · d f16 a block.
// CPU mirror: crate/quant/packed.rs
const HAS_OFFSET = false;
const Q_SIGNED = true;
const ONE_SCALE = true;

fn load_packed(b: u32) -> Packed {
  let v = weights[2u * b];
  let w = weights[2u * b + 1u];
  let d = unpack2x16float(weights_u32[plane_offset(1u) + (b >> 1u)] >> ((b & 1u) << 4u)).x;
  return Packed(v.x, v.y, v.z, v.w, w.x, w.y, w.z, w.w, vec2<f32>(d), vec2<f32>(0.0));
}
