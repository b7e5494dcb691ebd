// Four elements of a K/V cache row held as f16, two to a word, in core WGSL: no adapter feature needed.
// What f16 cannot hold becomes its largest number instead of infinity; what is no number stays none.
#import shared/no_number
#import shared/kv_plain
alias Kv4 = vec2<u32>;
fn kv_pack(v: vec4<f32>) -> Kv4 {
    let held = clamp(v, vec4<f32>(-65504.0), vec4<f32>(65504.0));
    let nan = select(vec4<u32>(0u), vec4<u32>(0x7e00u, 0x7e000000u, 0x7e00u, 0x7e000000u), no_number(v));
    return vec2<u32>(pack2x16float(held.xy) | nan.x | nan.y, pack2x16float(held.zw) | nan.z | nan.w);
}
fn kv_unpack(v: Kv4) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y));
}
