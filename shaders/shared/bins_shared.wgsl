#import shared/turns
#import shared/bins_add
// A workgroup has bins of its own first, so that few of its threads want the same word of memory.
var<workgroup> counts: array<atomic<u32>, BINS>;
var<workgroup> lows: array<atomic<u32>, BINS>;
var<workgroup> highs: array<atomic<u32>, BINS>;

fn clear_bins(lid: u32) {
    let b_turns = turns(lid, BINS, 64u);
    for (var b_turn = 0u; b_turn < MOST_TURNS; b_turn++) {
        if b_turn >= b_turns {
            break;
        }
        let b = lid + b_turn * 64u;
        atomicStore(&counts[b], 0u);
        atomicStore(&lows[b], 0u);
        atomicStore(&highs[b], 0u);
    }
    workgroupBarrier();
}

fn count_in(b: u32, mass: u32) {
    atomicAdd(&counts[b], 1u);
    if mass > 0u && atomicAdd(&lows[b], mass) > ~mass {
        atomicAdd(&highs[b], 1u);
    }
}

fn keep_bins(lid: u32) {
    workgroupBarrier();
    let b_turns2 = turns(lid, BINS, 64u);
    for (var b_turn = 0u; b_turn < MOST_TURNS; b_turn++) {
        if b_turn >= b_turns2 {
            break;
        }
        let b = lid + b_turn * 64u;
        add_to_bin(b, atomicLoad(&counts[b]), atomicLoad(&lows[b]), atomicLoad(&highs[b]));
    }
}
