// A cache that holds each number by itself, four to an element.
// Heads of queries and keys are turned (see kv_put.wgsl).
const KV_TURNED: bool = false;

// Elements of a head of dim4 vectors.
fn kv_head_size(dim4: u32) -> u32 {
    return dim4;
}
// Where in a head its vector i is.
fn kv_at(i: u32) -> u32 {
    return i;
}
fn kv_scales_at(i: u32) -> u32 {
    return i;
}
fn kv_vector(element: Kv4, _scales: Kv4, _i: u32) -> vec4<f32> {
    return kv_unpack(element);
}
