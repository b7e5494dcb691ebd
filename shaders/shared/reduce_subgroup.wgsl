#requires subgroups
// Reductions over a workgroup of 64 threads with subgroups of any size. Every thread gets the result.
// Shuffles stay within 4 neighbouring lanes, the smallest subgroup there is; the rest goes through memory. So no size
// is assumed, and none is asked for: some drivers compile a shader for fewer lanes than `subgroup_size` says.
var<workgroup> reduce_scratch: array<vec4<f32>, 64>;

fn workgroup_sum(value: f32, lid: u32) -> f32 {
    return workgroup_sum4(vec4<f32>(value, 0.0, 0.0, 0.0), lid).x;
}

fn workgroup_sum4(value: vec4<f32>, lid: u32) -> vec4<f32> {
    reduce_scratch[lid] = sum_of_4(value);
    workgroupBarrier();
    var total = vec4<f32>(0.0);
    for (var i = 0u; i < 64u; i += 4u) {
        total += reduce_scratch[i];
    }
    workgroupBarrier();
    return total;
}

fn workgroup_max4(value: vec4<f32>, lid: u32) -> vec4<f32> {
    var most = max(value, subgroupShuffleXor(value, 1u));
    most = max(most, subgroupShuffleXor(most, 2u));
    reduce_scratch[lid] = most;
    workgroupBarrier();
    for (var i = 0u; i < 64u; i += 4u) {
        most = max(most, reduce_scratch[i]);
    }
    workgroupBarrier();
    return most;
}

// Sums over 16 neighbouring threads; the first thread of each 16 gets the result.
fn sum16(value: vec4<f32>, lid: u32) -> vec4<f32> {
    reduce_scratch[lid] = sum_of_4(value);
    workgroupBarrier();
    let first = lid & 48u;
    return reduce_scratch[first] + reduce_scratch[first + 4u] + reduce_scratch[first + 8u] + reduce_scratch[first + 12u];
}

fn sum_of_4(value: vec4<f32>) -> vec4<f32> {
    let pair = value + subgroupShuffleXor(value, 1u);
    return pair + subgroupShuffleXor(pair, 2u);
}
