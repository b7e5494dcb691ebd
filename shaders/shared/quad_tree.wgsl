// Sums of 4 neighbouring threads without subgroups: all of them get it.
var<workgroup> rows_of_each: array<Rows, THREADS>;
var<workgroup> squares_of_each: array<f32, THREADS>;

fn sum_of_4(part: Sums, lid: u32) -> Sums {
    rows_of_each[lid] = part.rows;
    squares_of_each[lid] = part.squares;
    workgroupBarrier();
    let i = lid & ~3u;
    let sum = Sums(
        rows_of_each[i] + rows_of_each[i + 1u] + rows_of_each[i + 2u] + rows_of_each[i + 3u],
        squares_of_each[i] + squares_of_each[i + 1u] + squares_of_each[i + 2u] + squares_of_each[i + 3u],
    );
    workgroupBarrier();
    return sum;
}
