#requires subgroups
// Reductions over a workgroup of 64 threads with subgroups of any size (4 to 128 are in the field).
// Every thread gets the result. Slots are indexed by thread and nothing branches on the size,
// so no size is assumed and control flow stays uniform.
var<workgroup> reduce_scratch: array<vec4<f32>, 64>;

fn workgroup_sum(value: f32, lid: u32, lanes: u32) -> f32 {
    return workgroup_sum4(vec4<f32>(value, 0.0, 0.0, 0.0), lid, lanes).x;
}

fn workgroup_sum4(value: vec4<f32>, lid: u32, lanes: u32) -> vec4<f32> {
    reduce_scratch[lid] = subgroupAdd(value);
    workgroupBarrier();
    var total = vec4<f32>(0.0);
    for (var i = 0u; i < 64u; i += lanes) {
        total += reduce_scratch[i];
    }
    workgroupBarrier();
    return total;
}

fn workgroup_max4(value: vec4<f32>, lid: u32, lanes: u32) -> vec4<f32> {
    reduce_scratch[lid] = subgroupMax(value);
    workgroupBarrier();
    var total = reduce_scratch[0];
    for (var i = lanes; i < 64u; i += lanes) {
        total = max(total, reduce_scratch[i]);
    }
    workgroupBarrier();
    return total;
}

// Sums over 16 neighbouring threads; the first thread of each 16 gets the result.
// Shuffles stay within 4 lanes, the smallest subgroup there is; the rest goes through memory.
fn sum16(value: vec4<f32>, lid: u32, lanes: u32) -> vec4<f32> {
    var total = value;
    total += subgroupShuffleXor(total, 1u);
    total += subgroupShuffleXor(total, 2u);
    reduce_scratch[lid] = total;
    workgroupBarrier();
    let first = lid & 48u;
    return reduce_scratch[first] + reduce_scratch[first + 4u] + reduce_scratch[first + 8u] + reduce_scratch[first + 12u];
}

// What a reduction needs to know of its thread: the size of its subgroup.
struct Lanes {
    @builtin(subgroup_size) count: u32,
}
fn lane_count(lanes: Lanes) -> u32 {
    return lanes.count;
}
