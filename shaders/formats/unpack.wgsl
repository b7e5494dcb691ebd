// The float view of a quantized block: load_block from the format's load_packed.
// The format says by Q_SIGNED how its bytes read: unsigned ones convert in one instruction on some GPUs.
// ONE_SCALE: both halves of a block have the same scale and offset.

fn unpack_bytes(q: u32) -> vec4<f32> {
  if (Q_SIGNED) {
    return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(q << 24u, q << 16u, q << 8u, q)) >> vec4<u32>(24u));
  }
  return vec4<f32>(vec4<u32>(q & 0xffu, (q >> 8u) & 0xffu, (q >> 16u) & 0xffu, q >> 24u));
}

fn load_block(b: u32) -> Block {
  let p = load_packed(b);
  return Block(
    unpack_bytes(p.q0),
    unpack_bytes(p.q1),
    unpack_bytes(p.q2),
    unpack_bytes(p.q3),
    unpack_bytes(p.q4),
    unpack_bytes(p.q5),
    unpack_bytes(p.q6),
    unpack_bytes(p.q7),
    p.scale,
    p.offset,
  );
}
