#requires f16
// Four elements of a K/V cache row held as f16, converted by the adapter itself. The bytes are those of kv_pack16.
alias Kv4 = vec4<f16>;
fn kv_pack(v: vec4<f32>) -> Kv4 {
    return vec4<f16>(clamp(v, vec4<f32>(-65504.0), vec4<f32>(65504.0)));
}
fn kv_unpack(v: Kv4) -> vec4<f32> {
    return vec4<f32>(v);
}
