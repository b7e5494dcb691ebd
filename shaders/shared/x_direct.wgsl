#import shared/caller_any
// Activations for the matrix product, every thread loading what it needs: all load the same address at once.
fn x_rows(at0: u32, at1: u32, lane: u32) -> X2 {
    return X2(
        V16(x[at0], x[at0 + 1u], x[at0 + 2u], x[at0 + 3u]),
        V16(x[at1], x[at1 + 1u], x[at1 + 2u], x[at1 + 3u]),
    );
}
