#import shared/caller_lane
#import shared/reduce_subgroup
// Queries for the scores: four lanes load a quarter each and broadcast it, where loads cost more than lanes' talk.
fn q4(at: u32, lane: u32) -> Q4 {
    let v = q_tile[at + (lane & 3u)];
    return Q4(subgroupBroadcast(v, 0u), subgroupBroadcast(v, 1u), subgroupBroadcast(v, 2u), subgroupBroadcast(v, 3u));
}
