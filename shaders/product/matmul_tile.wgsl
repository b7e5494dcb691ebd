// Matrix-matrix product for prefill, by tiles staged in shared memory:
//   out[m][column + n] = W[n] . x[m]  (+ bias[n])      or, with accumulate,  out += ...
// Shapes: W [N][K] (one part of a matrix), x [M][K], bias [N of the whole matrix], out [M][out_stride]; K % 32 == 0.
// Grid: (ceil(M/ROWS), ceil(N/64)): neighbours share their rows of W. A workgroup makes 64 (N) by ROWS (M) results, a
// block of 32 along K at a time: 64 threads dequantise a row's block each, 64 fetch x (the same ones where ROWS is 32),
// and then a thread multiplies 8 rows of W by 4 of x, in registers: 12 shared loads of 16 bytes for 128 products.
// With 128 ROWS it is 8 of x, 16 loads for 256 products; x then comes in two halves of a block, to stay in 16 KiB.
// A result is one sum in the order of K, whatever ROWS is and wherever in a tile it lies.
// Mirror: crate/kernels/product/reference.rs
#import shared/turns
#import shared/matmul_io
#import formats/{format}
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

#import shared/matmul_tiles

var<private> first_of_tile: u32;

fn open_tile(number: u32, lid: u32) -> bool {
    first_of_tile = number * ROWS;
    return true;
}

fn first_row() -> u32 {
    return 0u;
}

// Rows past the end repeat the last one; they are not stored.
fn x_row(r: u32) -> u32 {
    return min(first_of_tile + r, params.m - 1u);
}

fn put_tile(r: u32, n: u32, sum: f32) {
    if first_of_tile + r < params.m {
        put(first_of_tile + r, n, params.scale * sum);
    }
}
