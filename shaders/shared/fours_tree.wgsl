// Two sums of 4 neighbouring threads of 64 without subgroups: all of them get both.
var<workgroup> sums_of_each: array<vec2<f32>, 64>;

fn sums_of_4(value: vec2<f32>, lid: u32) -> vec2<f32> {
    sums_of_each[lid] = value;
    workgroupBarrier();
    let i = lid & ~3u;
    let sums = sums_of_each[i] + sums_of_each[i + 1u] + sums_of_each[i + 2u] + sums_of_each[i + 3u];
    workgroupBarrier();
    return sums;
}
