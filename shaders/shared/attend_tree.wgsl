#import shared/caller_any
#import shared/reduce_tree
#import shared/attend_tiles
var<workgroup> score_parts: array<array<vec4<f32>, 64>, 4>;

// The scores of a quad's four cells, of which each of its threads gets one.
fn share_scores(s0: vec4<f32>, s1: vec4<f32>, s2: vec4<f32>, s3: vec4<f32>, lid: u32) -> vec4<f32> {
    score_parts[0][lid] = s0;
    score_parts[1][lid] = s1;
    score_parts[2][lid] = s2;
    score_parts[3][lid] = s3;
    workgroupBarrier();
    let quad = lid & 60u;
    let own = lid & 3u;
    return score_parts[own][quad] + score_parts[own][quad + 1u] + score_parts[own][quad + 2u] + score_parts[own][quad + 3u];
}
