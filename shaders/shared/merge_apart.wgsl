// What a workgroup of decode_attention.wgsl has made, left as it is: for attention_combine.wgsl where there are several
// stretches. `out` is [R][n_heads][head_dim], or [R][n_heads][splits] parts: the weighted values, then
// (largest score, sum of weights, 0, 0).
alias Out = vec4<f32>;

// Of the heads from head0 on of row r.
fn leave(r: u32, split: u32, head0: u32, n_heads: u32, group: u32, sums: Attended, lid: u32) {
    let dim4 = params.head_dim4;
    for (var h = 0u; h < MOST_TURNS; h++) {
        if h >= n_heads {
            break;
        }
        let head = r * params.n_heads + head0 + h;
        if params.splits == 1u {
            if lid < dim4 {
                out[head * dim4 + lid] = attended(h, lid, dim4) / sums.total[h];
            }
        } else {
            let to = (head * params.splits + split) * (dim4 + 1u);
            if lid < dim4 {
                out[to + lid] = attended(h, lid, dim4);
            }
            if lid == 0u {
                out[to + dim4] = vec4<f32>(sums.top[h], sums.total[h], 0.0, 0.0);
            }
        }
    }
}
