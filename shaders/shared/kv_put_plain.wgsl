// How many threads it takes to write a head of dim4 vectors.
fn kv_parts(dim4: u32) -> u32 {
    return dim4;
}

// A thread's part of a head, into the one that starts at element `to` of the cache.
fn k_put(to: u32, part: u32, start: u32, _dim4: u32) {
    k_cache[to + part] = kv_pack(head_vector(start, part));
}
fn v_put(to: u32, part: u32, start: u32, _dim4: u32) {
    v_cache[to + part] = kv_pack(value_vector(start, part));
}
