// Matrix-vector product as in matvec.wgsl, of integers: weights are bytes as they come out of the format, activations
// two planes of bytes each, or one (shared/quantize.wgsl), and four products take one instruction (dot4I8Packed).
// Grid and `lanes` are those of matvec.wgsl, though threads have two rows each (shared/matvec_pairs.wgsl). A workgroup
// makes x integers once, 4096 columns at a time, in shared memory; then all threads read them for their rows.
// Mirror: crate/kernels/product/reference.rs
#import shared/matvec_x
#import formats/{format}
#import shared/quad_{reduce}
#import shared/quad_words_{reduce}
#import shared/dot
#import shared/matvec_integers
