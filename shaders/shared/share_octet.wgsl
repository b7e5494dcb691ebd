#import shared/caller_lane
#import shared/share
// Eight lanes load an eighth each and broadcast it to their subgroup, which must have eight lanes.
fn x_block(start: u32, i: u32, lane: u32) -> X32 {
    let v = x_vector(start, i + (lane & 7u));
    return X32(
        subgroupBroadcast(v, 0u), subgroupBroadcast(v, 1u), subgroupBroadcast(v, 2u), subgroupBroadcast(v, 3u),
        subgroupBroadcast(v, 4u), subgroupBroadcast(v, 5u), subgroupBroadcast(v, 6u), subgroupBroadcast(v, 7u),
    );
}
// The sum over all shares.
fn sum_of_shares(own: f32) -> f32 {
    let pair = own + subgroupShuffleXor(own, 1u);
    let four = pair + subgroupShuffleXor(pair, 2u);
    return four + subgroupShuffleXor(four, 4u);
}
