// Matrix-vector product as in matvec.wgsl, of a stream to which the norm of a projection p is still to be added:
//   x'[r] = x[r] + p[r] * rsqrt(mean(p[r]^2) + eps) * post,   x_next[r] = x'[r],   y[n] = W[n] . x'[r],   and so on.
// Shapes: x, p, x_next [R][K], post [K], the rest as there. It has neither bias nor gather nor accumulate.
// Grid and `lanes` are those of matvec.wgsl. Each workgroup sums p^2 for itself; the first of a row writes x_next.
// Mirror: crate/kernels/product/reference.rs
#import shared/matvec_x_post
#import formats/{format}
#import shared/quad_{reduce}
#import shared/matvec_floats
