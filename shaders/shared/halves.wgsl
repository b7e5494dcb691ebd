// A block of weights of 16 bits: four 16-byte loads. The format that imports this has `widen`: two words to four weights.
const HAS_OFFSET = false;

struct Raw { w0: vec4<u32>, w1: vec4<u32>, w2: vec4<u32>, w3: vec4<u32> }

fn fetch(b: u32) -> Raw {
  let at = b * 4u;
  return Raw(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u]);
}

fn block(raw: Raw, b: u32) -> Block {
  return Block(
    widen(raw.w0.x, raw.w0.y),
    widen(raw.w0.z, raw.w0.w),
    widen(raw.w1.x, raw.w1.y),
    widen(raw.w1.z, raw.w1.w),
    widen(raw.w2.x, raw.w2.y),
    widen(raw.w2.z, raw.w2.w),
    widen(raw.w3.x, raw.w3.y),
    widen(raw.w3.z, raw.w3.w),
    vec2<f32>(1.0),
    vec2<f32>(0.0),
  );
}

fn load_block(b: u32) -> Block {
  return block(fetch(b), b);
}
