// Integers of 4 neighbouring threads, without subgroups.
var<workgroup> most_of_each: array<u32, THREADS>;
var<workgroup> sum_of_each: array<i32, THREADS>;

fn most_of_4(own: u32, lid: u32) -> u32 {
    most_of_each[lid] = own;
    workgroupBarrier();
    let i = lid & ~3u;
    return max(max(most_of_each[i], most_of_each[i + 1u]), max(most_of_each[i + 2u], most_of_each[i + 3u]));
}

// The sums of the first two and of the last two. What `most_of_4` read may be overwritten once this returns.
fn halves_of_4(own: i32, lid: u32) -> vec2<i32> {
    sum_of_each[lid] = own;
    workgroupBarrier();
    let i = lid & ~3u;
    return vec2<i32>(sum_of_each[i] + sum_of_each[i + 1u], sum_of_each[i + 2u] + sum_of_each[i + 3u]);
}
