// Attention as in attention.wgsl, for software adapters, where a barrier costs more than loads: a thread takes one
// query head of one row from end to end, so that nothing is shared between threads.
// Shapes: as there. A row's cells go by four at a time, so that its query and sums are read once for four; fours lie at
// multiples of four positions, and so in one block.
// Grid: (ceil(R/16), n_heads); neighbouring threads take neighbouring rows.
// head_dim % 4 == 0, <= DIM.  Mirror: crate/kernels/attention/reference.rs
#import shared/turns
#import shared/attention_io

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let r = group.x * 16u + lid;
    if r >= params.rows {
        return;
    }
    let row = row_of(batch[r], params.tables);
    let head = group.y;
    let dim4 = params.head_dim4;
    let stride = params.n_kv_heads * kv_head_size(dim4);
    let kv_head = head / (params.n_heads / params.n_kv_heads);
    let base = kv_head * kv_head_size(dim4);
    let seen = seen_by(row);
    let end = seen.y;
    let head_slope = slope(head);
    var q: array<vec4<f32>, DIM / 4u>;
    var acc: array<vec4<f32>, DIM / 4u>;
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= dim4 {
            break;
        }
        q[i] = qkv[r * params.q_stride4 + head * dim4 + i];
    }
    var top = LOWEST;
    var total = 0.0;
    let start = seen.x & ~3u;
    let position_turns = turns(start, end, 4u);
    for (var position_turn = 0u; position_turn < MOST_TURNS; position_turn++) {
        if position_turn >= position_turns {
            break;
        }
        let position = start + position_turn * 4u;
        let four = vec4<u32>(position) + vec4<u32>(0u, 1u, 2u, 3u);
        // In place of what is not seen its neighbour is read again, and weighs nothing.
        let held = clamp(four, vec4<u32>(seen.x), vec4<u32>(end - 1u));
        let cells = block_cell(row, position) + held % BLOCK;
        let at = cells * stride + vec4<u32>(base);
        var score = vec4<f32>(0.0);
        for (var i = 0u; i < MOST_TURNS; i++) {
            if i >= dim4 {
                break;
            }
            let v = q[i];
            score += vec4<f32>(
                dot(v, k4(at.x, i)),
                dot(v, k4(at.y, i)),
                dot(v, k4(at.z, i)),
                dot(v, k4(at.w, i)),
            );
        }
        score = capped(score) - head_slope * abs(vec4<f32>(four) - f32(row.y));
        let new_top = max(top, max(max(score.x, score.y), max(score.z, score.w)));
        let shrink = exp(top - new_top);
        top = new_top;
        let counts = four == held;
        let p = select(vec4<f32>(0.0), exp(score - top), counts);
        total = total * shrink + p.x + p.y + p.z + p.w;
        for (var i = 0u; i < MOST_TURNS; i++) {
            if i >= dim4 {
                break;
            }
            acc[i] = acc[i] * shrink +
                p.x * v4(at.x, i) +
                p.y * v4(at.y, i) +
                p.z * v4(at.z, i) +
                p.w * v4(at.w, i);
        }
    }
    for (var i = 0u; i < MOST_TURNS; i++) {
        if i >= dim4 {
            break;
        }
        out[(r * params.n_heads + head) * dim4 + i] = acc[i] / total;
    }
}
