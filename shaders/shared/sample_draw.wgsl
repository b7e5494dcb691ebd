// The draw as a race (Gumbel-max; Efraimidis & Spirakis 2006): of all tokens that may be chosen the one with the
// highest  -distance/temperature - ln(E),  E exponential, is token i with probability softmax(logit/temperature)[i].
// E comes from a hash of (seed, step, token), so that no order of threads matters.
fn draw_key(id: u32, distance: f32) -> u32 {
    let random = (f32(pcg4d(vec4<u32>(options.seed, state.step, id)).x) + 0.5) * 2.3283064365386963e-10;
    // -ln(1 - random), by its series where the difference would lose digits.
    var e = random * (1.0 + random * (0.5 + random * (0.33333334 + random * 0.25)));
    if random > 0.015625 {
        e = -log(max(1.0 - random, 5.9604645e-8));
    }
    return key_of(bitcast<u32>(-min(distance, 1.0e10) * options.inv_temperature - log(e)));
}

// Jarzynski & Olano, "Hash Functions for GPU Rendering", 2020.
fn pcg4d(seed: vec4<u32>) -> vec4<u32> {
    var v = seed * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v ^= v >> vec4<u32>(16u);
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}
