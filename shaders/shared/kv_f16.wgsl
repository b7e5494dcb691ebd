#requires f16
// Four elements of a K/V cache row held as f16, converted by the adapter itself. The bytes are those of kv_pack16.
#import shared/no_number
#import shared/kv_plain
alias Kv4 = vec4<f16>;
fn kv_pack(v: vec4<f32>) -> Kv4 {
    let held = clamp(v, vec4<f32>(-65504.0), vec4<f32>(65504.0));
    let nan = bitcast<vec4<f32>>(bitcast<vec4<u32>>(v) | vec4<u32>(0x400000u));
    return vec4<f16>(select(held, nan, no_number(v)));
}
fn kv_unpack(v: Kv4) -> vec4<f32> {
    return vec4<f32>(v);
}
