// Four elements of a K/V cache row held as f32.
#import shared/kv_plain
alias Kv4 = vec4<f32>;
fn kv_pack(v: vec4<f32>) -> Kv4 {
    return v;
}
fn kv_unpack(v: Kv4) -> vec4<f32> {
    return v;
}
