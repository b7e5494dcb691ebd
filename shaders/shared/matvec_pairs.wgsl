#import shared/matvec
// A thread sums two rows, and there are twice as many threads: where a row is short, each has little to do, and what one
// does after another takes longer than all of it together.
const THREADS: u32 = 256u;
alias Rows = vec2<f32>;

// The first blocks of the two rows of W behind result `first`, or of its row and the gated one.
fn pair_starts(first: u32) -> vec2<u32> {
    let row = row_starts(first, 1u);
    return select(row.xy, row.xz, params.glu != 0u);
}

fn pair_results_each() -> u32 {
    return results_each() / 2u;
}

// The results of those rows, the second only without a gate.
fn pair_results(sums: vec2<f32>, squares: f32) -> vec2<f32> {
    let gated = vec4<f32>(sums.x, 0.0, sums.y, 0.0);
    return results(select(vec4<f32>(sums, 0.0, 0.0), gated, params.glu != 0u), squares).xy;
}
