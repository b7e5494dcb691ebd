// Which elements are infinite or NaN: `clamp` may make a number of either. Looked at as bits, since a compiler may take it
// that no float is NaN.
fn no_number(v: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(v) & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u);
}
