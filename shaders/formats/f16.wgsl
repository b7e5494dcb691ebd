// F16: 32 weights as they are, four 16-byte loads.
// CPU mirror: crate/quant/packed.rs
#import shared/halves

fn widen(a: u32, b: u32) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(a), unpack2x16float(b));
}
