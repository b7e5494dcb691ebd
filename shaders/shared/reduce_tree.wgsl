// Reductions over a workgroup of 64 threads without subgroups. Every thread gets the result.
var<workgroup> reduce_scratch: array<vec4<f32>, 64>;

fn workgroup_sum(value: f32, lid: u32) -> f32 {
    reduce_scratch[lid].x = value;
    for (var i = 0u; i < 6u; i++) {
        let step = 32u >> i;
        workgroupBarrier();
        if lid < step {
            reduce_scratch[lid].x += reduce_scratch[lid + step].x;
        }
    }
    workgroupBarrier();
    let total = reduce_scratch[0].x;
    workgroupBarrier();
    return total;
}

fn workgroup_sum4(value: vec4<f32>, lid: u32) -> vec4<f32> {
    reduce_scratch[lid] = value;
    for (var i = 0u; i < 6u; i++) {
        let step = 32u >> i;
        workgroupBarrier();
        if lid < step {
            reduce_scratch[lid] += reduce_scratch[lid + step];
        }
    }
    workgroupBarrier();
    let total = reduce_scratch[0];
    workgroupBarrier();
    return total;
}

fn workgroup_max4(value: vec4<f32>, lid: u32) -> vec4<f32> {
    reduce_scratch[lid] = value;
    for (var i = 0u; i < 6u; i++) {
        let step = 32u >> i;
        workgroupBarrier();
        if lid < step {
            reduce_scratch[lid] = max(reduce_scratch[lid], reduce_scratch[lid + step]);
        }
    }
    workgroupBarrier();
    let total = reduce_scratch[0];
    workgroupBarrier();
    return total;
}
