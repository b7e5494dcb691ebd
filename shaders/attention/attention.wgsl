// Attention with online softmax (Milakov & Gimelshein 2018), grouped queries (Ainslie et al. 2023):
//   out[r][h] = sum_c softmax_c(q[r][h] . k[c]) v[c],   c from max(0, pos-window+1) to pos+ahead, as far as there are
// q is already scaled. Shapes: qkv [R][q_stride*4] (queries first), cache [cells][n_kv_heads][head_dim],
// out [R][n_heads*head_dim].
// Grid: (n_kv_heads * groups, R): a workgroup takes up to QH query heads of one KV head, so K and V are read once
// for them.
// QH <= 4; head_dim % 4 == 0, <= 256.  Mirror: crate/kernels/attention/reference.rs
#import shared/turns
#import shared/attention_io
#import shared/attend_{lanes}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32, caller: Caller) {
    let row = row_of(batch[group.y], params.tables);
    let dim4 = params.head_dim4;
    let kv_head = group.x / params.groups;
    let per_kv = params.n_heads / params.n_kv_heads;
    let head0 = kv_head * per_kv + (group.x % params.groups) * QH;
    let n_heads = min(QH, (kv_head + 1u) * per_kv - head0);

    let q_stride = q_row(dim4);
    let i_turns = turns(lid, QH * q_stride, 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns {
            break;
        }
        let i = lid + i_turn * 64u;
        let h = i / q_stride;
        var q = vec4<f32>(0.0);
        if h < n_heads && i % q_stride < dim4 {
            q = qkv[group.y * params.q_stride4 + (head0 + h) * dim4 + i % q_stride];
        }
        q_tile[i] = q;
    }
    workgroupBarrier();

    let seen = seen_by(row);
    let stride = params.n_kv_heads * kv_head_size(dim4);
    let base = kv_head * kv_head_size(dim4);
    let sums = attend(row, seen.x, seen.y, base, stride, dim4, slopes_from(head0), caller_lane(caller), lid);
    if lid < dim4 {
        for (var h = 0u; h < MOST_TURNS; h++) {
            if h >= n_heads {
                break;
            }
            out[(group.y * params.n_heads + head0 + h) * dim4 + lid] = attended(h, lid, dim4) / sums.total[h];
        }
    }
}
