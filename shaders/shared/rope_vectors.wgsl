#import shared/rope_angle
// RoPE on vectors of four elements, for kernels whose threads own whole heads.

// cos and sin of pairs i to i + 3.
struct Turn4 {
    cos: vec4<f32>,
    sin: vec4<f32>,
}

fn rope_angle4(position: u32, i: u32, half: u32) -> Turn4 {
    let t0 = rope_angle(position, i, half);
    let t1 = rope_angle(position, i + 1u, half);
    let t2 = rope_angle(position, i + 2u, half);
    let t3 = rope_angle(position, i + 3u, half);
    return Turn4(vec4<f32>(t0.x, t1.x, t2.x, t3.x), vec4<f32>(t0.y, t1.y, t2.y, t3.y));
}

// Two neighbouring pairs, i and i + 1, that lie in one vector.
fn turn_pairs(v: vec4<f32>, position: u32, i: u32, half: u32) -> vec4<f32> {
    let t0 = rope_angle(position, i, half);
    let t1 = rope_angle(position, i + 1u, half);
    return vec4<f32>(
        v.x * t0.x - v.y * t0.y,
        v.x * t0.y + v.y * t0.x,
        v.z * t1.x - v.w * t1.y,
        v.z * t1.y + v.w * t1.x,
    );
}
