// Four elements of a K/V cache row held as signed bytes, of 127 parts of their block's largest number (Q8_0).
const KV_FOURS: u32 = 1u;
const KV_PER_SCALE: f32 = 1.0 / 127.0;
#import shared/kv_blocks

fn kv_numbers(word: u32, _i: u32) -> vec4<f32> {
    return vec4<f32>(vec4<i32>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}
// Of multiples of the scale's part, the bits that vector i of a block has.
fn kv_codes(v: vec4<f32>, _i: u32) -> u32 {
    let q = vec4<u32>(vec4<i32>(round(clamp(v, vec4<f32>(-127.0), vec4<f32>(127.0))))) & vec4<u32>(0xffu);
    return q.x | (q.y << 8u) | (q.z << 16u) | (q.w << 24u);
}
