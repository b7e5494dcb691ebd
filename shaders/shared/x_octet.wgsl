#import shared/caller_lane
// Activations for the matrix product: eight lanes load an eighth of two rows each and broadcast it to their subgroup,
// which must have eight lanes.
fn x_rows(at0: u32, at1: u32, lane: u32) -> X2 {
    let v = x[select(at0, at1, (lane & 4u) != 0u) + (lane & 3u)];
    return X2(
        V16(subgroupBroadcast(v, 0u), subgroupBroadcast(v, 1u), subgroupBroadcast(v, 2u), subgroupBroadcast(v, 3u)),
        V16(subgroupBroadcast(v, 4u), subgroupBroadcast(v, 5u), subgroupBroadcast(v, 6u), subgroupBroadcast(v, 7u)),
    );
}
