// The choices of a batch (route.wgsl), sorted by expert, and cut into tiles of TILE that are one expert's each.
// Choice i is row i / used's; those of an expert keep their order.
// Shapes: choices [pairs] (expert, weight), order [pairs], tiles [tiles] (expert, first in order, count, 0); behind the last
// tile counts are 0. N <= 512.   Grid: (1, N), a workgroup an expert.  On the CPU: crate/kernels/experts/group.rs
#import shared/turns
struct Params {
    // Experts, N.
    n: u32,
    // Choices of all rows.
    pairs: u32,
    // Tiles that there is room for.
    tiles: u32,
}
@group(0) @binding(0) var<storage, read> choices: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read_write> order: array<u32>;
@group(0) @binding(2) var<storage, read_write> tiles: array<vec4<u32>>;
@group(0) @binding(3) var<uniform> params: Params;

const TILE: u32 = 32u;
const MOST: u32 = 512u;
const THREADS: u32 = 64u;
var<workgroup> counts: array<atomic<u32>, MOST>;
// By thread: the expert's choices among those that it looks at.
var<workgroup> found: array<u32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let mine = group.y;
    let count_turns = turns(lid, params.n, THREADS);
    for (var turn = 0u; turn < MOST_TURNS; turn++) {
        if turn >= count_turns {
            break;
        }
        atomicStore(&counts[lid + turn * THREADS], 0u);
    }
    workgroupBarrier();
    // A thread looks at a stretch of the choices.
    let each = (params.pairs + THREADS - 1u) / THREADS;
    let begin = min(lid * each, params.pairs);
    let stretch = min(begin + each, params.pairs) - begin;
    var own = 0u;
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= stretch {
            break;
        }
        let expert = u32(choices[begin + i].x);
        if expert < params.n {
            atomicAdd(&counts[expert], 1u);
        }
        own += select(0u, 1u, expert == mine);
    }
    found[lid] = own;
    workgroupBarrier();
    // Choices and tiles of the experts before.
    var first = 0u;
    var tile = 0u;
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= mine {
            break;
        }
        let count = atomicLoad(&counts[i]);
        first += count;
        tile += (count + TILE - 1u) / TILE;
    }
    var at = first;
    for (var i = 0u; i < THREADS; i++) {
        at += select(0u, found[i], i < lid);
    }
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= stretch {
            break;
        }
        if u32(choices[begin + i].x) == mine {
            order[at] = begin + i;
            at++;
        }
    }
    let count = atomicLoad(&counts[mine]);
    let own_tiles = (count + TILE - 1u) / TILE;
    // The last expert empties what is left.
    let end = select(own_tiles, params.tiles - tile, mine == params.n - 1u);
    let tile_turns = turns(lid, end, THREADS);
    for (var turn = 0u; turn < MOST_TURNS; turn++) {
        if turn >= tile_turns {
            break;
        }
        let i = lid + turn * THREADS;
        let rest = select(0u, min(count - i * TILE, TILE), i < own_tiles);
        tiles[tile + i] = vec4<u32>(mine, first + i * TILE, rest, 0u);
    }
}
