#requires subgroups
// A thread's lane in its subgroup.
struct Caller {
    @builtin(subgroup_invocation_id) lane: u32,
}
fn caller_lane(caller: Caller) -> u32 {
    return caller.lane;
}
