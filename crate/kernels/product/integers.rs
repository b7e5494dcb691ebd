//! Activations as integers: the mirror of `shaders/shared/quantize.wgsl`.

/// 32 activations: x\[e\] = d·v\[e\].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Integers {
    /// The scale.
    pub d: f32,
    /// The integers.
    pub v: [i32; 32],
}

impl Integers {
    /// Of 15 bits for two planes of bytes, of 8 for one.
    pub fn new(x: &[f32], planes: u32) -> Self {
        let levels = if planes == 2 { 127.0 * 128.0 } else { 127.0 };
        let most = x.iter().fold(0.0, |most: f32, v| if v.abs() > most || v.is_nan() { v.abs() } else { most });
        let inverse = if most > 0.0 { levels / most } else { 0.0 };
        let v = std::array::from_fn(|e| (x[e] * inverse).round_ties_even() as i32);
        Integers { d: most / levels, v }
    }

    /// Words of a record.
    pub fn words(planes: u32) -> usize {
        4 + 8 * planes as usize
    }

    /// A record as the kernel writes it: d and d times the sums over each half and both, then the planes.
    pub fn write(&self, planes: u32, to: &mut [u32]) {
        let sum = |of: &[i32]| self.d * of.iter().sum::<i32>() as f32;
        let scales = [self.d, sum(&self.v[..16]), sum(&self.v[16..]), sum(&self.v)];
        to[..4].copy_from_slice(&scales.map(f32::to_bits));
        let bytes: &mut [i8] = bytemuck::cast_slice_mut(&mut to[4..]);
        for (e, &v) in self.v.iter().enumerate() {
            // The high byte is rounded, so that the low one has a sign.
            let high = if planes == 2 { (v + 64).div_euclid(128) } else { v };
            bytes[e] = high as i8;
            if planes == 2 {
                bytes[32 + e] = (v - 128 * high) as i8;
            }
        }
    }

    /// Of a record that [`Integers::write`] wrote.
    pub fn read(planes: u32, record: &[u32]) -> Self {
        let bytes: &[i8] = bytemuck::cast_slice(&record[4..]);
        let v = std::array::from_fn(|e| {
            if planes == 2 { 128 * i32::from(bytes[e]) + i32::from(bytes[32 + e]) } else { i32::from(bytes[e]) }
        });
        Integers { d: f32::from_bits(record[0]), v }
    }

    /// The activations that these stand for.
    pub fn values(&self) -> [f64; 32] {
        self.v.map(|v| f64::from(self.d) * f64::from(v))
    }
}
