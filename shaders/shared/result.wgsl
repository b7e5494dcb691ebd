// Where every product leaves a result.

// What result n of the part, of row r, is added to: its bias; with accumulate, what is there. Nothing is done with
// either, so that who asks early need not wait.
fn due(r: u32, n: u32) -> vec2<f32> {
    var y = vec2<f32>(0.0);
    if params.has_bias != 0u {
        y.x = bias[params.column + n];
    }
    if params.accumulate != 0u {
        y.y = out[r * params.out_stride + params.column + n];
    }
    return y;
}

fn leave(r: u32, n: u32, result: f32, due: vec2<f32>) {
    out[r * params.out_stride + params.column + n] = result + due.x + due.y;
}

fn put(r: u32, n: u32, result: f32) {
    leave(r, n, result, due(r, n));
}
