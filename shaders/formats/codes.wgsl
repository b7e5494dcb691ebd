// Blocks of 4-bit codes that stand for numbers which are no even steps. The format has `value`: what four of them stand
// for in one of its tables.
const HAS_OFFSET = false;

fn spread(q: u32) -> vec4<f32> {
  return vec4<f32>(vec4<u32>(q, q >> 8u, q >> 16u, q >> 24u) & vec4<u32>(15u));
}

fn coded(v: vec4<u32>, table: u32, scale: vec2<f32>) -> Block {
  return Block(
    value(spread(v.x), table),
    value(spread(v.x >> 4u), table),
    value(spread(v.y), table),
    value(spread(v.y >> 4u), table),
    value(spread(v.z), table),
    value(spread(v.z >> 4u), table),
    value(spread(v.w), table),
    value(spread(v.w >> 4u), table),
    scale,
    vec2<f32>(0.0),
  );
}

fn load_block(b: u32) -> Block {
  return block(fetch(b), b);
}
