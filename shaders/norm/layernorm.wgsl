// LayerNorm (Ba, Kiros & Hinton 2016):  y = (v - mean(v)) * rsqrt(var(v) + eps) * weight + bias,  v = x[src]
//   out[r] = y            or, with accumulate,   out[r] += y
// var is the mean of the squared distances from the mean, summed once that is known: nothing cancels where it is large.
// of the row's first n numbers; what is behind them is 0.
// Or, not centred, an RMSNorm with a bias: the same with 0 for the mean.
// Shapes: x [*][K], weight [K], bias [K], rows [R] (which row of x; used when gather is set), out [R][K]; K % 4 == 0.
// Grid: (1, R), a workgroup a row.  Mirror: crate/kernels/norm/mod.rs
struct Params {
    // Row length / 4.
    k4: u32,
    // Numbers of a row that count.
    n: u32,
    // Added to the variance.
    eps: f32,
    // 1: read row `rows[r]` instead of row r.
    gather: u32,
    // 1: add to the output instead of overwriting it.
    accumulate: u32,
    // 1: the mean is taken off; 0: it counts as 0.
    centred: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> rows: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(5) var<uniform> params: Params;
#import shared/turns
#import shared/reduce_{reduce}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    var src = group.y;
    if params.gather != 0u {
        src = rows[group.y];
    }
    let start = src * params.k4;
    let to = group.y * params.k4;
    let n = f32(params.n);
    var sums = vec4<f32>(0.0);
    let i_turns = turns(lid, params.k4, 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns {
            break;
        }
        let i = lid + i_turn * 64u;
        sums += x[start + i];
    }
    let mean = select(0.0, workgroup_sum(sums.x + sums.y + sums.z + sums.w, lid) / n, params.centred != 0u);
    var squares = vec4<f32>(0.0);
    let i_turns2 = turns(lid, params.k4, 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns2 {
            break;
        }
        let i = lid + i_turn * 64u;
        let counts = vec4<u32>(i * 4u) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.n);
        let v = select(vec4<f32>(0.0), x[start + i] - mean, counts);
        squares += v * v;
    }
    let total = workgroup_sum(squares.x + squares.y + squares.z + squares.w, lid);
    let scale = inverseSqrt(total / n + params.eps);
    let i_turns3 = turns(lid, params.k4, 64u);
    for (var i_turn = 0u; i_turn < MOST_TURNS; i_turn++) {
        if i_turn >= i_turns3 {
            break;
        }
        let i = lid + i_turn * 64u;
        let y = (x[start + i] - mean) * scale * weight[i] + bias[i];
        if params.accumulate != 0u {
            out[to + i] += y;
        } else {
            out[to + i] = y;
        }
    }
}
