// Where every product leaves a result.

// Result n of the part, of row r, with its bias; added to what is there with accumulate.
fn put(r: u32, n: u32, result: f32) {
    let at = r * params.out_stride + params.column + n;
    var y = result;
    if params.has_bias != 0u {
        y += bias[params.column + n];
    }
    if params.accumulate != 0u {
        y += out[at];
    }
    out[at] = y;
}
