// Matrix-vector product for decode, with what surrounds it in a layer:
//   y[n] = W[n] . x[r]          with a norm (Zhang & Sennrich 2019), of x * norm * rsqrt(mean(x^2) + eps) in place of x
//   out[r][column + n] = y[n] (+ bias[n]);   with accumulate, out += ...;   with a gate (Shazeer 2020),
//   out[r][column + n] = act(y[n]) * y[N/2 + n]
// Shapes: W [N][K] (one part of a matrix), x [*][K] (row rows[r] with gather, else r), norm [K],
// bias [N of the whole matrix], out [R][out_stride]; K % 32 == 0.
// Grid: (R, ceil(N / (512/lanes))): rows of x beside each other take the same weights. `lanes` (16, 64 or 128) threads share 4 rows and stride over their blocks of 32
// weights: neighbouring threads load neighbouring 16 bytes, and x is read once for the 4 rows.
// Mirror: crate/kernels/product/reference.rs
#import shared/matvec_x
#import formats/{format}
#import shared/quad_{reduce}
#import shared/matvec_floats
