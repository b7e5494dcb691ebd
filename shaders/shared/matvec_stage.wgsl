#import shared/matvec_pairs
// Activations of a matrix-vector product as integers, made once for all rows of a workgroup: TILE blocks at a time, in
// shared memory. Four threads make a block, each two of its eight vectors, so that all threads have some of it.
// Vector j of block b is at [TILE * j + b]: neighbouring threads read neighbouring vectors.
const TILE: u32 = 128u;
// The blocks that all threads make together.
const MADE: u32 = THREADS / 4u;
// Where the low bytes begin.
const LOW: u32 = 2u * TILE * (PLANES - 1u);
var<workgroup> x_tile: array<vec4<u32>, 2u * TILE * PLANES>;
var<workgroup> x_scale: array<vec4<f32>, TILE>;

// Brings the row's blocks from `chunk` on into place, up to TILE of them; the sum of the squares of what this thread read.
fn stage(input: Input, chunk: u32, lid: u32) -> f32 {
    let part = lid & 3u;
    let last = params.k_blocks - 1u;
    var squares = 0.0;
    for (var i = 0u; i < TILE / MADE; i++) {
        if chunk + i * MADE > last {
            break;
        }
        let to = i * MADE + lid / 4u;
        // Threads past the end repeat the last block, so that all stay in step; nobody reads what they make of it.
        let is_there = chunk + to <= last;
        let at = min(chunk + to, last) * 8u + 2u * part;
        var x0 = load_x(input, at);
        var x1 = load_x(input, at + 1u);
        if is_there {
            keep_pair(input, at, x0, x1);
        }
        if params.has_norm != 0u {
            squares += select(0.0, dot(x0, x0) + dot(x1, x1), is_there);
            x0 *= norm[at];
            x1 *= norm[at + 1u];
        }
        let m = max(magnitude(x0), magnitude(x1));
        let most = bitcast<f32>(most_of_4(max(max(m.x, m.y), max(m.z, m.w)), lid));
        let d = most / MOST;
        let inverse = inverse_of(most);
        let v0 = round16(x0, inverse);
        let v1 = round16(x1, inverse);
        let halves = halves_of_4(total8(v0 + v1), lid);
        let b0 = bytes(v0);
        let b1 = bytes(v1);
        let place = (part >> 1u) * TILE + to;
        let word = 2u * (part & 1u);
        x_tile[place][word] = b0.hi;
        x_tile[place][word + 1u] = b1.hi;
        if PLANES == 2u {
            x_tile[LOW + place][word] = b0.lo;
            x_tile[LOW + place][word + 1u] = b1.lo;
        }
        if part == 0u {
            x_scale[to] = vec4<f32>(d, d * f32(halves.x), d * f32(halves.y), d * f32(halves.x + halves.y));
        }
    }
    return squares;
}

fn staged(b: u32) -> Integers {
    var q = Integers(x_tile[b], x_tile[TILE + b], vec4<u32>(0u), vec4<u32>(0u), x_scale[b]);
    if PLANES == 2u {
        q.lo0 = x_tile[LOW + b];
        q.lo1 = x_tile[LOW + TILE + b];
    }
    return q;
}
