// F32: 32 weights as they are, eight 16-byte loads.
// CPU mirror: crate/quant/packed.rs
const HAS_OFFSET = false;

// Too many registers to be loaded ahead: only where they are.
struct Raw { at: u32 }

fn fetch(b: u32) -> Raw {
  return Raw(b * 8u);
}

fn block(raw: Raw, b: u32) -> Block {
  let at = raw.at;
  return Block(
    bitcast<vec4<f32>>(weights[at]),
    bitcast<vec4<f32>>(weights[at + 1u]),
    bitcast<vec4<f32>>(weights[at + 2u]),
    bitcast<vec4<f32>>(weights[at + 3u]),
    bitcast<vec4<f32>>(weights[at + 4u]),
    bitcast<vec4<f32>>(weights[at + 5u]),
    bitcast<vec4<f32>>(weights[at + 6u]),
    bitcast<vec4<f32>>(weights[at + 7u]),
    vec2<f32>(1.0),
    vec2<f32>(0.0),
  );
}

fn load_block(b: u32) -> Block {
  return block(fetch(b), b);
}
