#import shared/quantize
// The product of 32 weights, in two halves, and 32 activations, both integers: exact until the scales are applied.
fn dot16(w: vec4<u32>, x: vec4<u32>) -> i32 {
    return dot4I8Packed(w.x, x.x) + dot4I8Packed(w.y, x.y) + dot4I8Packed(w.z, x.z) + dot4I8Packed(w.w, x.w);
}

// `scale` holds the weights' scales and offsets.
fn product(w0: vec4<u32>, w1: vec4<u32>, scale: vec4<f32>, x: Integers) -> f32 {
    var first = dot16(w0, x.hi0);
    var second = dot16(w1, x.hi1);
    if ONE_SCALE {
        first += second;
        if PLANES == 2u {
            first = (first << 7u) + dot16(w0, x.lo0) + dot16(w1, x.lo1);
        }
        let y = x.scale.x * scale.x * f32(first);
        return select(y, y + scale.z * x.scale.w, HAS_OFFSET);
    }
    if PLANES == 2u {
        first = (first << 7u) + dot16(w0, x.lo0);
        second = (second << 7u) + dot16(w1, x.lo1);
    }
    let y = x.scale.x * (scale.x * f32(first) + scale.y * f32(second));
    return select(y, y + scale.z * x.scale.y + scale.w * x.scale.z, HAS_OFFSET);
}
