// ln(1 + exp(x)) = max(x, 0) + ln(1 + e), e = exp(-|x|). The logarithm by its series in z = e / (2 + e), at most 1/3,
// which is exact for small e, too: 2 (z + z³/3 + z⁵/5 + …).
fn softplus(x: f32) -> f32 {
    let e = exp(-min(abs(x), 80.0));
    let z = e / (2.0 + e);
    let z2 = z * z;
    let series = 1.0 + z2 * (1.0 / 3.0 + z2 * (0.2 + z2 * (1.0 / 7.0 + z2 * (1.0 / 9.0 + z2 * (1.0 / 11.0 + z2 / 13.0)))));
    return max(x, 0.0) + 2.0 * z * series;
}
