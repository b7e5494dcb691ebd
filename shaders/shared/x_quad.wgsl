#import shared/caller_lane
// Activations for the matrix product: four lanes load a quarter each and broadcast it to their subgroup.
fn x_row(at: u32, lane: u32) -> V16 {
    let v = x[at + (lane & 3u)];
    return V16(subgroupBroadcast(v, 0u), subgroupBroadcast(v, 1u), subgroupBroadcast(v, 2u), subgroupBroadcast(v, 3u));
}
fn x_rows(at0: u32, at1: u32, lane: u32) -> X2 {
    return X2(x_row(at0, lane), x_row(at1, lane));
}
