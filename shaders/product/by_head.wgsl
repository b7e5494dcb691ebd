// Each head's product with rows of a matrix that are its own, as latent attention has them (DeepSeek-AI 2024):
//   out[r][h][j] = scale * sum_i W[h * each + first + j][i] x[r][h][i]
//   or TURNED,     scale * sum_i W[h * each + first + i][j] x[r][h][i]
// Shapes: W [H * each][K], x [R][x_stride*4], a head every x_head*4 numbers, K of them, or TURNED `count`;
// out [R][out_stride], a head every out_head numbers, `count` of them, or TURNED K. K % 32 == 0, count % 4 == 0.
// Grid: (ceil(count / 64), R * H), a thread a result; TURNED (ceil(K/32 / 64), R * H), a thread 32 of them.
// Mirror: crate/kernels/product/by_head.rs
#import shared/turns
struct Params {
    // Plane offsets of the weight part, in u32 words; the first is 0.
    planes: vec4<u32>,
    // Blocks of 32 in a row of W.
    k_blocks: u32,
    // Rows of W a head.
    each: u32,
    // The first of them that is used.
    first: u32,
    // How many are.
    count: u32,
    // H.
    n_heads: u32,
    // Length of a row of x / 4.
    x_stride4: u32,
    // From one head's numbers to the next's, in x / 4.
    x_head4: u32,
    // Length of a row of out.
    out_stride: u32,
    // From one head's numbers to the next's, in out.
    out_head: u32,
    // Results are multiplied by this.
    scale: f32,
}
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;
#import shared/weights
#import formats/{format}

// The parts of sums that threads have, vector by vector.
var<workgroup> sums: array<vec4<f32>, 512>;

fn by_rows(j: u32, row: u32, start: u32, to: u32) {
    if j >= params.count {
        return;
    }
    var sum = 0.0;
    for (var kb = 0u; kb < MOST_TURNS; kb++) {
        if kb >= params.k_blocks {
            break;
        }
        let w = load_block((row + j) * params.k_blocks + kb);
        let at = start + 8u * kb;
        let x0 = x[at];
        let x1 = x[at + 1u];
        let x2 = x[at + 2u];
        let x3 = x[at + 3u];
        let x4 = x[at + 4u];
        let x5 = x[at + 5u];
        let x6 = x[at + 6u];
        let x7 = x[at + 7u];
        let low = dot(w.v0, x0) + dot(w.v1, x1) + dot(w.v2, x2) + dot(w.v3, x3);
        let high = dot(w.v4, x4) + dot(w.v5, x5) + dot(w.v6, x6) + dot(w.v7, x7);
        let ones = vec4<f32>(1.0);
        let all = vec2<f32>(dot(x0 + x1 + x2 + x3, ones), dot(x4 + x5 + x6 + x7, ones));
        sum += dot(w.scale, vec2<f32>(low, high)) + dot(w.offset, all);
    }
    out[to + j] = params.scale * sum;
}

fn by_columns(first_block: u32, row: u32, start: u32, to: u32, lid: u32) {
    // 64 threads cover a row's blocks `parts` times over, and take every parts-th row.
    let blocks = min(params.k_blocks - first_block, 64u);
    let parts = 64u / blocks;
    let part = lid / blocks;
    let block = first_block + lid % blocks;
    var acc = array<vec4<f32>, 8>();
    let i_turns = select(0u, turns(part, params.count, parts), part < parts);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns {
            break;
        }
        let i = part + i_turn * parts;
        let w = load_block((row + i) * params.k_blocks + block);
        let xi = x[start + i / 4u][i % 4u];
        let s = w.scale * xi;
        let o = w.offset * xi;
        acc[0] += s.x * w.v0 + o.x;
        acc[1] += s.x * w.v1 + o.x;
        acc[2] += s.x * w.v2 + o.x;
        acc[3] += s.x * w.v3 + o.x;
        acc[4] += s.y * w.v4 + o.y;
        acc[5] += s.y * w.v5 + o.y;
        acc[6] += s.y * w.v6 + o.y;
        acc[7] += s.y * w.v7 + o.y;
    }
    for (var v = 0u; v < 8u; v++) {
        sums[64u * v + lid] = acc[v];
    }
    workgroupBarrier();
    if part > 0u {
        return;
    }
    for (var v = 0u; v < 8u; v++) {
        var sum = acc[v];
        for (var p = 1u; p < MOST_TURNS; p++) {
            if p >= parts {
                break;
            }
            sum += sums[64u * v + p * blocks + lid];
        }
        let at = to + 32u * block + 4u * v;
        out[at] = params.scale * sum.x;
        out[at + 1u] = params.scale * sum.y;
        out[at + 2u] = params.scale * sum.z;
        out[at + 3u] = params.scale * sum.w;
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let r = group.y / params.n_heads;
    let h = group.y % params.n_heads;
    let row = h * params.each + params.first;
    let start = r * params.x_stride4 + h * params.x_head4;
    let to = r * params.out_stride + h * params.out_head;
    if TURNED == 1u {
        by_columns(group.x * 64u, row, start, to, lid);
    } else {
        by_rows(group.x * 64u + lid, row, start, to);
    }
}
