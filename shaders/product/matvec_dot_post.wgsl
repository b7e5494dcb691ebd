// Matrix-vector product of integers as in matvec_dot.wgsl, of the stream of matvec_post.wgsl: x' is formed as it becomes
// integers, once in a workgroup.
// Mirror: crate/kernels/product/reference.rs
#import shared/matvec_x_post
#import formats/{format}
#import shared/quad_{reduce}
#import shared/quad_words_{reduce}
#import shared/dot
#import shared/matvec_integers
