// Queries for the scores, every thread loading what it needs from shared memory: one broadcast load.
fn q_lane(thread: QThread) -> u32 {
    return 0u;
}
struct QThread {
    @builtin(local_invocation_id) unused: vec3<u32>,
}
fn q4(at: u32, lane: u32) -> Q4 {
    return Q4(q_tile[at], q_tile[at + 1u], q_tile[at + 2u], q_tile[at + 3u]);
}
