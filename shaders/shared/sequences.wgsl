// What has states: workgroups beside each other take the sequences of a batch in turns, and `walk` goes through the rows of one.
// Whether its threads know their lane is for the kernel to say: by shared/caller_lane or shared/caller_any.
#import shared/turns
#import shared/no_state
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32, caller: Caller) {
    var row = 0u;
    // Sequences that are neighbours are taken by workgroups beside each other.
    for (var sequence = 0u; sequence < MOST_TURNS; sequence++) {
        if row >= params.rows {
            break;
        }
        let at = from_to[row];
        if sequence % params.beside == group.y {
            walk(at, row, group.x, lid, caller_lane(caller));
        }
        row += at.w;
    }
}
