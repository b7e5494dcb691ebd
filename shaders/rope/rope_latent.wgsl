// What happens before latent attention (DeepSeek-V2, DeepSeek-AI 2024), for one head of one row, or for the row's
// latents:
//   the last 2 * rope_half numbers of a query head, rotated, * attn_scale, behind the `rank` numbers of what is to be
//   its query;
//   RMSNorm of the latents, and behind them the key's rotated part that all heads share -> cache
// Rotation as in rope_kv.wgsl.
// Shapes: q [R][H][q_head], latents [R][rank + 2 * rope_half], norm [rank], queries [R][H][rank + 2 * rope_half],
// cache [cells][rank + 2 * rope_half]. All lengths % 4 == 0; 2 * rope_half <= 256.
// Grid: (H + 1, R), a workgroup a head, the last one the latents.  On the CPU: crate/kernels/rope/latent.rs
#import shared/turns
struct Params {
    // Query heads.
    n_heads: u32,
    // Numbers of a head of q.
    q_head: u32,
    // Latents.
    rank: u32,
    // Rotated pairs.
    rope_half: u32,
    // 1: pairs are (i, i + rope_half) instead of (2i, 2i + 1).
    neox: u32,
    // Added to the mean of squares.
    eps: f32,
    // The rotated parts of queries are multiplied by this.
    attn_scale: f32,
}
@group(0) @binding(0) var<storage, read> batch: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> latents: array<f32>;
@group(0) @binding(3) var<storage, read> norm: array<f32>;
@group(0) @binding(4) var<storage, read> rope: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> queries: array<f32>;
@group(0) @binding(6) var<storage, read_write> k_cache: array<Kv4>;
@group(0) @binding(7) var<uniform> params: Params;
#import shared/kv_put
#import shared/rope_angle
#import shared/cell
#import shared/reduce_{reduce}

// What the row's cell is to keep, or in its place a query's rotated part.
var<workgroup> whole: array<f32, 640>;

fn head_vector(start: u32, i: u32) -> vec4<f32> {
    let at = start + 4u * i;
    return vec4<f32>(whole[at], whole[at + 1u], whole[at + 2u], whole[at + 3u]);
}

// There are no values, which what writes caches takes for granted.
var<workgroup> v_cache: array<Kv4, 1>;

fn value_vector(start: u32, i: u32) -> vec4<f32> {
    return head_vector(start, i);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let row = batch[group.y];
    let is_q = group.x < params.n_heads;
    let half = params.rope_half;
    let width = params.rank + 2u * half;
    let head = group.y * params.n_heads + group.x;
    let last = group.y * width;

    var squares = 0.0;
    let i_turns = turns(lid, select(params.rank, 0u, is_q), 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns {
            break;
        }
        let v = latents[last + lid + i_turn * 64u];
        squares += v * v;
    }
    let scale = inverseSqrt(workgroup_sum(squares, lid) / f32(params.rank) + params.eps);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns {
            break;
        }
        let i = lid + i_turn * 64u;
        whole[i] = latents[last + i] * scale * norm[i];
    }
    let pair_turns = turns(lid, half, 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= pair_turns {
            break;
        }
        let i = lid + i_turn * 64u;
        let a = select(2u * i, i, params.neox != 0u);
        let b = select(2u * i + 1u, i + half, params.neox != 0u);
        let angle = rope_angle(row.y, i, half);
        var u = 0.0;
        var v = 0.0;
        if is_q {
            let start = (head + 1u) * params.q_head - 2u * half;
            u = q[start + a];
            v = q[start + b];
        } else {
            u = latents[last + params.rank + a];
            v = latents[last + params.rank + b];
        }
        whole[params.rank + a] = u * angle.x - v * angle.y;
        whole[params.rank + b] = u * angle.y + v * angle.x;
    }
    workgroupBarrier();
    if is_q {
        let end_turns = turns(lid, 2u * half, 64u);
        for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
            if i_turn >= end_turns {
                break;
            }
            let i = lid + i_turn * 64u;
            queries[head * width + params.rank + i] = whole[params.rank + i] * params.attn_scale;
        }
        return;
    }
    let to = cell(row, row.y) * kv_head_size(width / 4u);
    let part_turns = turns(lid, kv_parts(width / 4u), 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= part_turns {
            break;
        }
        k_put(to, lid + i_turn * 64u, 0u, width / 4u);
    }
}
