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
    let first = 4u * (lid & 3u);
    let quarter = reduce_scratch[first] + reduce_scratch[first + 1u] + reduce_scratch[first + 2u] + reduce_scratch[first + 3u];
    workgroupBarrier();
    return sum_of_4(quarter);
}

fn workgroup_max4(value: vec4<f32>, lid: u32) -> vec4<f32> {
    let most = max_of_4(value);
    if (lid & 3u) == 0u {
        reduce_scratch[lid / 4u] = most;
    }
    workgroupBarrier();
    let first = 4u * (lid & 3u);
    let low = max(reduce_scratch[first], reduce_scratch[first + 1u]);
    let high = max(reduce_scratch[first + 2u], reduce_scratch[first + 3u]);
    workgroupBarrier();
    return max_of_4(max(low, high));
}

fn sum_of_4(value: vec4<f32>) -> vec4<f32> {
    let pair = value + subgroupShuffleXor(value, 1u);
    return pair + subgroupShuffleXor(pair, 2u);
}

fn max_of_4(value: vec4<f32>) -> vec4<f32> {
    let pair = max(value, subgroupShuffleXor(value, 1u));
    return max(pair, subgroupShuffleXor(pair, 2u));
}
