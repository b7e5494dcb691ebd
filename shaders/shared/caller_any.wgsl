// For kernels whose variants need to know a thread's lane, where this one does not.
struct Caller {
    @builtin(local_invocation_id) unused: vec3<u32>,
}
fn caller_lane(caller: Caller) -> u32 {
    return 0u;
}
