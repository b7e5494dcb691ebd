// The gate of a feed-forward layer: SiLU, g * sigmoid(g); GELU in its tanh form, g * sigmoid(2*sqrt(2/pi)*(g + 0.044715 g^3)).
// The clamp keeps exp finite: some drivers turn inf / inf into NaN.
fn activate(gate: vec4<f32>, gelu: bool) -> vec4<f32> {
    var z = gate;
    if gelu {
        z = 1.5957691216057308 * (gate + 0.044715 * gate * gate * gate);
    }
    return gate / (1.0 + exp(-clamp(z, vec4<f32>(-80.0), vec4<f32>(80.0))));
}
