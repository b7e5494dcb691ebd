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

// What a number is multiplied by to become an integer, where the largest of its block is this; 0 where all are 0.
fn inverse_of(most: f32) -> f32 {
    if most > 0.0 {
        return MOST / most;
    }
    return 0.0;
}

// What this is added to is rounded to an integer, halfway to the even one, that lies in the low 16 bits of the sum: 1.5 *
// 2^23, and a half of the low byte's range, by which the high one is rounded.
const HALF: u32 = 64u * (PLANES - 1u);
const ROUNDER: f32 = 12582912.0 + f32(HALF);

// The integers + HALF, in the low 16 bits; equal numbers lie above.
fn round16(x: vec4<f32>, inverse: f32) -> vec4<u32> {
    return bitcast<vec4<u32>>(x * inverse + vec4<f32>(ROUNDER));
}

// The sum of sixteen of them: 0xb4000000 is what lies above, 16 times, modulo 2^32.
fn total(v: vec4<u32>) -> i32 {
    return bitcast<i32>(v.x + v.y + v.z + v.w - 0xb4000000u - 16u * HALF);
}

// And of eight.
fn total8(v: vec4<u32>) -> i32 {
    return bitcast<i32>(v.x + v.y + v.z + v.w - 0x5a000000u - 8u * HALF);
}

// Bytes of four of them: the high ones with a sign, and what is left, with one, too.
struct Bytes { hi: u32, lo: u32 }

fn bytes(v: vec4<u32>) -> Bytes {
    let even = (v.x & 0xffffu) | (v.z << 16u);
    let odd = (v.y & 0xffffu) | (v.w << 16u);
    if PLANES == 1u {
        return Bytes((even & 0x00ff00ffu) | ((odd & 0x00ff00ffu) << 8u), 0u);
    }
    let lo = (even & 0x007f007fu) | ((odd & 0x007f007fu) << 8u);
    return Bytes(((even >> 7u) & 0x00ff00ffu) | ((odd << 1u) & 0xff00ff00u), (lo + 0x40404040u) ^ 0x80808080u);
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
    let inverse = inverse_of(most);
    let v0 = round16(x0, inverse);
    let v1 = round16(x1, inverse);
    let v2 = round16(x2, inverse);
    let v3 = round16(x3, inverse);
    let v4 = round16(x4, inverse);
    let v5 = round16(x5, inverse);
    let v6 = round16(x6, inverse);
    let v7 = round16(x7, inverse);
    let first = total(v0 + v1 + v2 + v3);
    let second = total(v4 + v5 + v6 + v7);
    let scale = vec4<f32>(d, d * f32(first), d * f32(second), d * f32(first + second));
    let b0 = bytes(v0);
    let b1 = bytes(v1);
    let b2 = bytes(v2);
    let b3 = bytes(v3);
    let b4 = bytes(v4);
    let b5 = bytes(v5);
    let b6 = bytes(v6);
    let b7 = bytes(v7);
    return Integers(
        vec4<u32>(b0.hi, b1.hi, b2.hi, b3.hi), vec4<u32>(b4.hi, b5.hi, b6.hi, b7.hi),
        vec4<u32>(b0.lo, b1.lo, b2.lo, b3.lo), vec4<u32>(b4.lo, b5.lo, b6.lo, b7.lo),
        scale,
    );
}
