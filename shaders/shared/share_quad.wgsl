#import shared/caller_lane
#import shared/share
// Four lanes load a quarter each and broadcast it to their subgroup.
fn x_block(start: u32, i: u32, lane: u32) -> X32 {
    let a = x_vector(start, i + (lane & 3u));
    let b = x_vector(start, i + 4u + (lane & 3u));
    return X32(
        subgroupBroadcast(a, 0u), subgroupBroadcast(a, 1u), subgroupBroadcast(a, 2u), subgroupBroadcast(a, 3u),
        subgroupBroadcast(b, 0u), subgroupBroadcast(b, 1u), subgroupBroadcast(b, 2u), subgroupBroadcast(b, 3u),
    );
}
// The sum over all shares.
fn sum_of_shares(own: f32) -> f32 {
    let pair = own + subgroupShuffleXor(own, 1u);
    return pair + subgroupShuffleXor(pair, 2u);
}
