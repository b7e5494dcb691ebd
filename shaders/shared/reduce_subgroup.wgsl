#requires subgroups
// Reductions over a workgroup of 64 threads with subgroups of any size. Every thread gets the result.
// Shuffles stay within 4 neighbouring lanes, the smallest subgroup there is; the rest goes through memory. So no size
// is assumed, and none is asked for: some drivers compile a shader for fewer lanes than `subgroup_size` says.
var<workgroup> reduce_scratch: array<vec4<f32>, 16>;

fn workgroup_sum(value: f32, lid: u32) -> f32 {
    return workgroup_sum4(vec4<f32>(value, 0.0, 0.0, 0.0), lid).x;
}

fn workgroup_sum4(value: vec4<f32>, lid: u32) -> vec4<f32> {
    let sum = sum_of_4(value);
    if (lid & 3u) == 0u {
        reduce_scratch[lid / 4u] = sum;
    }
    workgroupBarrier();
    var total = vec4<f32>(0.0);
    for (var i = 0u; i < 16u; i++) {
        total += reduce_scratch[i];
    }
    workgroupBarrier();
    return total;
}

fn workgroup_max4(value: vec4<f32>, lid: u32) -> vec4<f32> {
    var most = max(value, subgroupShuffleXor(value, 1u));
    most = max(most, subgroupShuffleXor(most, 2u));
    if (lid & 3u) == 0u {
        reduce_scratch[lid / 4u] = most;
    }
    workgroupBarrier();
    for (var i = 0u; i < 16u; i++) {
        most = max(most, reduce_scratch[i]);
    }
    workgroupBarrier();
    return most;
}

// Sums over 16 neighbouring threads; the first thread of each 16 gets the result.
fn sum16(value: vec4<f32>, lid: u32) -> vec4<f32> {
    let sum = sum_of_4(value);
    if (lid & 3u) == 0u {
        reduce_scratch[lid / 4u] = sum;
    }
    workgroupBarrier();
    let first = (lid / 16u) * 4u;
    return reduce_scratch[first] + reduce_scratch[first + 1u] + reduce_scratch[first + 2u] + reduce_scratch[first + 3u];
}

fn sum_of_4(value: vec4<f32>) -> vec4<f32> {
    let pair = value + subgroupShuffleXor(value, 1u);
    return pair + subgroupShuffleXor(pair, 2u);
}
