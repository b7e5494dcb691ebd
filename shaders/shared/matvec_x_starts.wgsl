// For kernels that take ROWS rows of x at a time.
#import shared/matvec_x

// Where they start, from row m on. Rows past the end repeat the last one; they are not stored.
fn x_starts(m: u32) -> array<u32, ROWS> {
    var starts: array<u32, ROWS>;
    for (var i = 0u; i < ROWS; i++) {
        starts[i] = x_start(min(m + i, params.m - 1u));
    }
    return starts;
}
