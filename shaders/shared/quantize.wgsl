#requires dot
// Activations as integers, a block of 32 at a time:  x[e] = d * v[e],  d = max|x| / (127 * 128),  v = 128 * hi + lo
// with hi in -127..127 and lo in -64..63, a plane of bytes each. With one plane, d = max|x| / 127 and v = hi.
// CPU mirror: crate/kernels/product/integers.rs
const MOST: f32 = f32(127u << (7u * (PLANES - 1u)));

// 32 activations, four to a word; `scale` is d, and d times the sum of v over each half and over both.
struct Integers {
    hi0: vec4<u32>, hi1: vec4<u32>,
    lo0: vec4<u32>, lo1: vec4<u32>,
    scale: vec4<f32>,
}

// Bits without the sign are in the order of the numbers, and a NaN is above them all: so d tells of it.
fn magnitude(v: vec4<f32>) -> vec4<u32> {
    return bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu);
}

fn words(a: vec4<i32>, b: vec4<i32>, c: vec4<i32>, d: vec4<i32>) -> vec4<u32> {
    return vec4<u32>(pack4xI8(a), pack4xI8(b), pack4xI8(c), pack4xI8(d));
}

// The high byte, so that the low one is left with a sign.
fn high(v: vec4<i32>) -> vec4<i32> {
    return (v + vec4<i32>(64)) >> vec4<u32>(7u);
}

fn low(v: vec4<i32>) -> vec4<i32> {
    return v - 128 * high(v);
}

fn total(v: vec4<i32>) -> i32 {
    return v.x + v.y + v.z + v.w;
}

fn quantize(
    x0: vec4<f32>, x1: vec4<f32>, x2: vec4<f32>, x3: vec4<f32>,
    x4: vec4<f32>, x5: vec4<f32>, x6: vec4<f32>, x7: vec4<f32>,
) -> Integers {
    let m = max(
        max(max(magnitude(x0), magnitude(x1)), max(magnitude(x2), magnitude(x3))),
        max(max(magnitude(x4), magnitude(x5)), max(magnitude(x6), magnitude(x7))),
    );
    let most = bitcast<f32>(max(max(m.x, m.y), max(m.z, m.w)));
    let d = most / MOST;
    var inverse = 0.0;
    if most > 0.0 {
        inverse = MOST / most;
    }
    let v0 = vec4<i32>(round(x0 * inverse));
    let v1 = vec4<i32>(round(x1 * inverse));
    let v2 = vec4<i32>(round(x2 * inverse));
    let v3 = vec4<i32>(round(x3 * inverse));
    let v4 = vec4<i32>(round(x4 * inverse));
    let v5 = vec4<i32>(round(x5 * inverse));
    let v6 = vec4<i32>(round(x6 * inverse));
    let v7 = vec4<i32>(round(x7 * inverse));
    let first = total(v0 + v1 + v2 + v3);
    let second = total(v4 + v5 + v6 + v7);
    let scale = vec4<f32>(d, d * f32(first), d * f32(second), d * f32(first + second));
    if PLANES == 1u {
        let none = vec4<u32>(0u);
        return Integers(words(v0, v1, v2, v3), words(v4, v5, v6, v7), none, none, scale);
    }
    return Integers(
        words(high(v0), high(v1), high(v2), high(v3)), words(high(v4), high(v5), high(v6), high(v7)),
        words(low(v0), low(v1), low(v2), low(v3)), words(low(v4), low(v5), low(v6), low(v7)),
        scale,
    );
}
