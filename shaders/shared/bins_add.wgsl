// Adds to a bin of all: tokens, and their mass as (low, high).
fn add_to_bin(b: u32, count: u32, low: u32, high: u32) {
    if count > 0u {
        atomicAdd(&bins[b], count);
    }
    var carried = high;
    if low > 0u && atomicAdd(&bins[BINS + b], low) > ~low {
        carried += 1u;
    }
    if carried > 0u {
        atomicAdd(&bins[2u * BINS + b], carried);
    }
}
