// The best of what `sample_scan` left a workgroup: an id, or NONE, or BAD, which wins over all.
fn best_of_partials(lid: u32) -> u32 {
    var best = vec2<u32>(0u, NONE);
    for (var i = lid; i < params.n_groups; i += 64u) {
        let id = partials[i];
        if id == BAD {
            best = vec2<u32>(0xffffffffu, BAD);
        } else if id < params.n_vocab {
            best = better(best, vec2<u32>(key_of(values[id]), id));
        }
    }
    return workgroup_best(best, lid).y;
}
