#import shared/kv_{kv}
// Vector i of the head that starts at element `head` of the cache.
fn k4(head: u32, i: u32) -> vec4<f32> {
    return kv_vector(k_cache[head + kv_at(i)], k_cache[head + kv_scales_at(i)], i);
}
fn v4(head: u32, i: u32) -> vec4<f32> {
    return kv_vector(v_cache[head + kv_at(i)], v_cache[head + kv_scales_at(i)], i);
}
