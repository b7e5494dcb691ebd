#import shared/caller_any
// Queries for the scores, every thread loading what it needs from shared memory: one broadcast load.
fn q4(at: u32, lane: u32) -> Q4 {
    return Q4(q_tile[at], q_tile[at + 1u], q_tile[at + 2u], q_tile[at + 3u]);
}
