use wide::f32x4;
pub fn activate(g: f32x4, gelu: bool) -> f32x4 {
    let z = if gelu { f32x4::splat(1.595_769_1) * (g + f32x4::splat(0.044715) * g * g * g) } else { g };
    g / (f32x4::splat(1.0) + (-z).exp())
}
