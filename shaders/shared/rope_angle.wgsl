// RoPE's angles (Su et al. 2021): cos and sin from a table made in double precision on the CPU, since WGSL promises
// 2^-11 and only near zero. angle(position) = coarse[position / 256] + fine[position % 256], each a (cos, sin) per pair.

// (cos, sin) of pair i of `half` at a position.
fn rope_angle(position: u32, i: u32, half: u32) -> vec2<f32> {
    let c = rope[(256u + position / 256u) * half + i];
    let f = rope[(position % 256u) * half + i];
    return vec2<f32>(c.x * f.x - c.y * f.y, c.y * f.x + c.x * f.y);
}
