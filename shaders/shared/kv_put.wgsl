#import shared/turns
#import shared/kv_put_{kv}
// What writes the cache. The kernel says what is written: head_vector(start, i) is vector i of a head of queries or keys,
// value_vector(start, i) one of values. Loops end at dim4, which compilers do not see: written out they take long to compile.

// Vector i of a head of dim4 vectors, turned: each 32 numbers are multiplied by a Hadamard matrix, which spreads those that
// are much larger than others, so that few bits hold all of them better (QuaRot, Ashkboos et al. 2024). Products of queries
// and keys that are both turned stay as they were.
fn turned_vector(start: u32, i: u32, dim4: u32) -> vec4<f32> {
    var sum = vec4<f32>(0.0);
    let end = min(8u, dim4);
    for (var j = 0u; j < MOST_TURNS; j++) {
        if j >= end {
            break;
        }
        let counts = 1.0 - 2.0 * f32(countOneBits(i & j & 7u) & 1u);
        sum += counts * head_vector(start, (i & 0xfffffff8u) + j);
    }
    let pairs = vec4<f32>(sum.x + sum.y, sum.x - sum.y, sum.z + sum.w, sum.z - sum.w);
    return 0.17677669529663687 * vec4<f32>(pairs.xy + pairs.zw, pairs.xy - pairs.zw);
}
