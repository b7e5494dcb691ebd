// What a state space (Mamba-2, Dao & Gu 2024) makes of a prompt's rows, block by block: with s the state before a sequence's
// first row of the block, out of row t is s c, and then for each row j of the sequence in the block up to t
//   out = exp(dt a) out + dt x[p] (b of j · c of t);   last, d x[p] of t is added.
// So decays are multiplied as row after row, never divided by what may be zero. Rows do not wait for each other.
// Shapes: from_to [R] (state read, or NONE; state written; rows of the sequence before this one; its rows);
// xbc [R][stride]: x [H][P], then b and c, [groups][N] each; steps [R][H]: exp(dt a), dt; pairs [R][groups][32]: b · c;
// heads [3][H]: bias, a, d; states, kept: as scan_states has them; out [R][H P/4] of four p; P and N are multiples of 4.
// Grid: (groups * ceil(H P/4 / groups / 64), ceil(R/16)): 64 fours of p of a group, of 16 rows.
// On the CPU: crate/kernels/recurrent/scan_out.rs
#import shared/turns
#import shared/no_state
#import shared/blocks
struct Params {
    // R.
    rows: u32,
    // H.
    heads: u32,
    // Groups that share b and c.
    groups: u32,
    // P / 4.
    p4: u32,
    // N / 4.
    n4: u32,
    // Numbers of a row of xbc / 4.
    stride4: u32,
    // Numbers of a state / 4.
    state4: u32,
    // Where [H P/4][N] begins in it, / 4.
    first4: u32,
}
@group(0) @binding(0) var<storage, read> from_to: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> xbc: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> steps: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> pairs: array<f32>;
@group(0) @binding(4) var<storage, read> heads: array<f32>;
@group(0) @binding(5) var<storage, read> states: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> kept: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(8) var<uniform> params: Params;

// Rows of a workgroup; they divide a block.
const TILE: u32 = 16u;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let all = params.heads * params.p4;
    let of_group = all / params.groups;
    let each = (of_group + 63u) / 64u;
    let g = group.x / each;
    let i = group.x % each * 64u + lid;
    let four = g * of_group + min(i, of_group - 1u);
    let head = four / params.p4;
    let tile = group.y * TILE;
    let block = tile / BLOCK * BLOCK;
    let end = min(tile + TILE, params.rows);
    let c4 = all + (params.groups + g) * params.n4;
    let d = heads[2u * params.heads + head];
    // The rows of a sequence after those of another.
    var t = tile;
    for (var turn = 0u; turn < TILE; turn++) {
        if t >= end {
            break;
        }
        let at = from_to[t];
        let first = t - at.z;
        let count = min(end, first + at.w) - t;
        var sums: array<vec4<f32>, 16>;
        for (var r = 0u; r < TILE; r++) {
            sums[r] = vec4<f32>(0.0);
        }
        let before = first < block;
        if before || at.x != NONE {
            let read = select(at.x * params.state4 + params.first4 + four * 4u * params.n4, block / BLOCK * 4u * params.n4 * all + four, before);
            let apart = select(1u, all, before);
            for (var k = 0u; k < MOST_TURNS; k++) {
                if k >= params.n4 {
                    break;
                }
                let s0 = state(before, read + 4u * k * apart);
                let s1 = state(before, read + (4u * k + 1u) * apart);
                let s2 = state(before, read + (4u * k + 2u) * apart);
                let s3 = state(before, read + (4u * k + 3u) * apart);
                for (var r = 0u; r < TILE; r++) {
                    if r >= count {
                        break;
                    }
                    let c = xbc[(t + r) * params.stride4 + c4 + k];
                    sums[r] += (s0 * c.x + s1 * c.y) + (s2 * c.z + s3 * c.w);
                }
            }
        }
        let begin = max(first, block);
        for (var j = 0u; j < BLOCK; j++) {
            let row = begin + j;
            if row >= t + count {
                break;
            }
            let step = steps[row * params.heads + head];
            let x = xbc[row * params.stride4 + four] * step.y;
            for (var r = 0u; r < TILE; r++) {
                if r >= count {
                    break;
                }
                if t + r >= row {
                    sums[r] = sums[r] * step.x + x * pairs[((t + r) * params.groups + g) * BLOCK + row - block];
                }
            }
        }
        for (var r = 0u; r < TILE; r++) {
            if r < count && i < of_group {
                out[(t + r) * all + four] = sums[r] + xbc[(t + r) * params.stride4 + four] * d;
            }
        }
        t += count;
    }
}

fn state(before: bool, at: u32) -> vec4<f32> {
    if before {
        return kept[at];
    }
    return states[at];
}
