// 256 times 4 steps of 8 independent vec4 multiply-adds: what f32 arithmetic can do.
// The factors come from a buffer, so that nothing can be computed beforehand.
@group(0) @binding(0) var<storage, read> factors: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let m = factors[0];
    let k = factors[1];
    var a = vec4<f32>(f32(id.x));
    var b = a + 1.0;
    var c = a + 2.0;
    var d = a + 3.0;
    var e = a + 4.0;
    var f = a + 5.0;
    var g = a + 6.0;
    var h = a + 7.0;
    for (var i = 0u; i < 256u; i++) {
        for (var j = 0u; j < 4u; j++) {
            a = fma(a, m, k);
            b = fma(b, m, k);
            c = fma(c, m, k);
            d = fma(d, m, k);
            e = fma(e, m, k);
            f = fma(f, m, k);
            g = fma(g, m, k);
            h = fma(h, m, k);
        }
    }
    out[id.x] = a + b + c + d + e + f + g + h;
}
