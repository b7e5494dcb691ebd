#requires subgroups
// Two sums of 4 neighbouring threads with subgroups: all of them get both. 4 lanes are the smallest subgroup there is.
fn sums_of_4(value: vec2<f32>, lid: u32) -> vec2<f32> {
    let pair = value + subgroupShuffleXor(value, 1u);
    return pair + subgroupShuffleXor(pair, 2u);
}
