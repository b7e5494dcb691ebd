#requires subgroups
// Integers of 4 neighbouring threads: see quad_subgroup.wgsl.
fn most_of_4(own: u32, lid: u32) -> u32 {
    let pair = max(own, subgroupShuffleXor(own, 1u));
    return max(pair, subgroupShuffleXor(pair, 2u));
}

// The sums of the first two and of the last two.
fn halves_of_4(own: i32, lid: u32) -> vec2<i32> {
    let mine = own + subgroupShuffleXor(own, 1u);
    let other = subgroupShuffleXor(mine, 2u);
    return select(vec2<i32>(mine, other), vec2<i32>(other, mine), (lid & 2u) != 0u);
}
