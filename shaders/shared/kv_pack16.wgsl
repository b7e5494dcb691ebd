// Four elements of a K/V cache row held as f16, two to a word, in core WGSL: no adapter feature needed.
// What f16 cannot hold becomes its largest number instead of infinity.
alias Kv4 = vec2<u32>;
fn kv_pack(v: vec4<f32>) -> Kv4 {
    let held = clamp(v, vec4<f32>(-65504.0), vec4<f32>(65504.0));
    return vec2<u32>(pack2x16float(held.xy), pack2x16float(held.zw));
}
fn kv_unpack(v: Kv4) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y));
}
