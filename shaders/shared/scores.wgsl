// What every attention kernel does with scores; `params` has a window and a softcap, 0 for none.
const LOWEST: f32 = -3.0e38;

// The first of the cells before `end` that a row sees.
fn first_seen(end: u32) -> u32 {
    return end - min(end, select(params.window, end, params.window == 0u));
}

fn capped(score: vec4<f32>) -> vec4<f32> {
    if params.softcap > 0.0 {
        return params.softcap * tanh(clamp(score / params.softcap, vec4<f32>(-15.0), vec4<f32>(15.0)));
    }
    return score;
}
