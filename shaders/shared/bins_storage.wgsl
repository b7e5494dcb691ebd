#import shared/bins_add
// Every token goes to the bins of all: for software adapters, which take seconds to compile much shared memory.
fn clear_bins(lid: u32) {}

fn count_in(b: u32, mass: u32) {
    add_to_bin(b, 1u, mass, 0u);
}

fn keep_bins(lid: u32) {}
