#requires subgroups
// Sums of 4 neighbouring threads with subgroups: all of them get it. 4 lanes are the smallest subgroup there is, so that
// no size is assumed, and none is asked for: some drivers compile a shader for fewer lanes than `subgroup_size` says.
fn sum_of_4(part: Sums, lid: u32) -> Sums {
    let pair = Sums(
        part.rows + subgroupShuffleXor(part.rows, 1u), part.squares + subgroupShuffleXor(part.squares, 1u),
    );
    return Sums(pair.rows + subgroupShuffleXor(pair.rows, 2u), pair.squares + subgroupShuffleXor(pair.squares, 2u));
}
