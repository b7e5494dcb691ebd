#import shared/turns
#import shared/no_number
// How many threads it takes to write a head of dim4 vectors: one for two blocks, whose scales share a word.
fn kv_parts(dim4: u32) -> u32 {
    return (dim4 + 15u) / 16u;
}

// What is known of a block: its largest number by component, and whether all are numbers.
struct Largest {
    v: vec4<f32>,
    none: vec4<bool>,
}
fn larger(a: Largest, v: vec4<f32>) -> Largest {
    return Largest(select(a.v, v, abs(v) > abs(a.v)), a.none | no_number(v));
}
// The f16 of a block's scale; what is no number stays none.
fn kv_scale(a: Largest) -> u32 {
    let two = select(a.v.xy, a.v.zw, abs(a.v.zw) > abs(a.v.xy));
    let one = clamp(select(two.x, two.y, abs(two.y) > abs(two.x)), -65504.0, 65504.0);
    return pack2x16float(vec2<f32>(one, 0.0)) | select(0u, 0x7e00u, any(a.none));
}
// What numbers of a block are multiplied by.
fn kv_inverse(scale: u32) -> f32 {
    let step = unpack2x16float(scale).x * KV_PER_SCALE;
    return select(1.0 / step, 0.0, step == 0.0);
}

// Vector i of the head of keys or of values that starts at `start`.
fn written_vector(is_v: bool, start: u32, i: u32) -> vec4<f32> {
    if is_v {
        return value_vector(start, i);
    }
    return head_vector(start, i);
}
fn kv_write(is_v: bool, at: u32, word: u32) {
    if is_v {
        v_cache[at] = word;
    } else {
        k_cache[at] = word;
    }
}

// A thread's part of a head, into the one that starts at element `to` of the cache.
fn kv_put(is_v: bool, to: u32, part: u32, start: u32, dim4: u32) {
    var scales = 0u;
    for (var b = 0u; b < 2u; b++) {
        let first = 16u * part + 8u * b;
        let end = min(dim4 - min(first, dim4), 8u);
        var most = Largest(vec4<f32>(0.0), vec4<bool>(false));
        for (var i = 0u; i < MOST_TURNS; i++) {
            if i >= end {
                break;
            }
            most = larger(most, written_vector(is_v, start, first + i));
        }
        let scale = kv_scale(most);
        scales |= scale << (16u * b);
        let inverse = kv_inverse(scale);
        for (var i = 0u; i < MOST_TURNS; i++) {
            if i >= end / KV_FOURS {
                break;
            }
            var word = 0u;
            for (var four = 0u; four < KV_FOURS; four++) {
                word |= kv_codes(written_vector(is_v, start, first + KV_FOURS * i + four) * inverse, four);
            }
            kv_write(is_v, to + kv_at(first + KV_FOURS * i), word);
        }
    }
    kv_write(is_v, to + kv_scales_at(16u * part), scales);
}
fn k_put(to: u32, part: u32, start: u32, dim4: u32) {
    kv_put(false, to, part, start, dim4);
}
fn v_put(to: u32, part: u32, start: u32, dim4: u32) {
    kv_put(true, to, part, start, dim4);
}
