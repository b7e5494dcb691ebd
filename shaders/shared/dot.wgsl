#import shared/quantize
// `sum` and the product of 16 weights and 16 activations, both integers: exact.
fn dot16(w: vec4<u32>, x: vec4<u32>, sum: i32) -> i32 {
    return sum + dot4I8Packed(w.x, x.x) + dot4I8Packed(w.y, x.y) + dot4I8Packed(w.z, x.z) + dot4I8Packed(w.w, x.w);
}

// `sum` and the product of 32 weights, in two halves, and 32 activations. `scale` holds the weights' scales and offsets.
fn product(w0: vec4<u32>, w1: vec4<u32>, scale: vec4<f32>, x: Integers, sum: f32) -> f32 {
    if ONE_SCALE {
        var all = dot16(w1, x.hi1, dot16(w0, x.hi0, 0));
        if PLANES == 2u {
            all = dot16(w1, x.lo1, dot16(w0, x.lo0, all << 7u));
        }
        let y = fma(x.scale.x * scale.x, f32(all), sum);
        return select(y, fma(scale.z, x.scale.w, y), HAS_OFFSET);
    }
    var first = dot16(w0, x.hi0, 0);
    var second = dot16(w1, x.hi1, 0);
    if PLANES == 2u {
        first = dot16(w0, x.lo0, first << 7u);
        second = dot16(w1, x.lo1, second << 7u);
    }
    let y = fma(x.scale.x, fma(scale.x, f32(first), scale.y * f32(second)), sum);
    return select(y, fma(scale.z, x.scale.y, fma(scale.w, x.scale.z, y)), HAS_OFFSET);
}
