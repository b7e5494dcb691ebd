// Four elements of a K/V cache row held as 4 bits, 0 to 15: 8 more than how many eighths they are of their block's
// largest number, the other way round, so that the largest is 0 (Q4_0). Of a word's bytes, the low halves are a vector, the
// high halves the next.
const KV_FOURS: u32 = 2u;
const KV_PER_SCALE: f32 = -1.0 / 8.0;
#import shared/kv_blocks

fn kv_numbers(word: u32, i: u32) -> vec4<f32> {
    let q = (vec4<u32>(word >> ((i & 1u) << 2u)) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(15u);
    return vec4<f32>(q) - 8.0;
}
// Of multiples of the scale's part, the bits that vector i of a block has.
fn kv_codes(v: vec4<f32>, i: u32) -> u32 {
    let q = vec4<u32>(clamp(round(v) + 8.0, vec4<f32>(0.0), vec4<f32>(15.0)));
    return (q.x | (q.y << 8u) | (q.z << 16u) | (q.w << 24u)) << ((i & 1u) << 2u);
}
