#import shared/caller_any
#import shared/reduce_subgroup
#import shared/attend_tiles
// The scores of a quad's four cells, of which each of its threads gets one.
fn share_scores(s0: vec4<f32>, s1: vec4<f32>, s2: vec4<f32>, s3: vec4<f32>, lid: u32) -> vec4<f32> {
    let low = select(sum_of_4(s0), sum_of_4(s1), (lid & 1u) != 0u);
    let high = select(sum_of_4(s2), sum_of_4(s3), (lid & 1u) != 0u);
    return select(low, high, (lid & 2u) != 0u);
}
