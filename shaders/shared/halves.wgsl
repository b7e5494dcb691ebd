// A block of weights of 16 bits: four 16-byte loads. The format that imports this has `widen`: two words to four weights.
const HAS_OFFSET = false;

fn load_block(b: u32) -> Block {
  let at = b * 4u;
  let w0 = weights[at];
  let w1 = weights[at + 1u];
  let w2 = weights[at + 2u];
  let w3 = weights[at + 3u];
  return Block(
    widen(w0.x, w0.y),
    widen(w0.z, w0.w),
    widen(w1.x, w1.y),
    widen(w1.z, w1.w),
    widen(w2.x, w2.y),
    widen(w2.z, w2.w),
    widen(w3.x, w3.y),
    widen(w3.z, w3.w),
    vec2<f32>(1.0),
    vec2<f32>(0.0),
  );
}
