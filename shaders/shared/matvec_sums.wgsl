// How the threads of a workgroup of the matrix-vector kernels bring their sums together. How many threads there are, and
// rows of each, is in matvec_fours.wgsl or matvec_pairs.wgsl.

// Of a thread's rows, and of the squares of the activations that it saw.
struct Sums {
    rows: Rows,
    squares: f32,
}

var<workgroup> rows_of_4: array<Rows, THREADS / 4u>;
var<workgroup> squares_of_4: array<f32, THREADS / 4u>;

// The rows of each `lanes` neighbouring threads, a multiple of 16, and the squares of all: every thread gets them. There
// must be a barrier before this is called again.
fn sum_of_lanes(part: Sums, lid: u32, lanes: u32) -> Sums {
    let quad = sum_of_4(part, lid);
    if (lid & 3u) == 0u {
        rows_of_4[lid / 4u] = quad.rows;
        squares_of_4[lid / 4u] = quad.squares;
    }
    workgroupBarrier();
    // Each thread of four adds up a quarter.
    let mine = lid & 3u;
    let first = lid / lanes * (lanes / 4u) + mine;
    var sum = Sums(rows_of_4[first], squares_of_4[mine]);
    for (var i = 1u; i < THREADS / 16u; i++) {
        if i < lanes / 16u {
            sum.rows += rows_of_4[first + 4u * i];
        }
        sum.squares += squares_of_4[mine + 4u * i];
    }
    return sum_of_4(sum, lid);
}
