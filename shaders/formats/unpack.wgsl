// The views of a quantized block, of what the format's `fetch` loads and its `unpack` takes apart: to load ahead, a kernel
// calls these at their own times.
// The format says by Q_SIGNED how its bytes read: unsigned ones convert in one instruction on some GPUs.
// ONE_SCALE: both halves of a block have the same scale and offset.

fn unpack_bytes(q: u32) -> vec4<f32> {
  if (Q_SIGNED) {
    return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(q << 24u, q << 16u, q << 8u, q)) >> vec4<u32>(24u));
  }
  return vec4<f32>(vec4<u32>(q & 0xffu, (q >> 8u) & 0xffu, (q >> 16u) & 0xffu, q >> 24u));
}

fn block(raw: Raw, b: u32) -> Block {
  let p = unpack(raw, b);
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

fn load_packed(b: u32) -> Packed {
  return unpack(fetch(b), b);
}

fn load_block(b: u32) -> Block {
  return block(fetch(b), b);
}
