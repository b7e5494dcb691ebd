//! Integers and a scale for each block, so chosen that the weighted squares of what is lost are few: the searches of ggml's
//! reference code, in its order of operations, so that they find the same to the bit. Eight blocks at a time, one a lane: no sum
//! of a block is taken in another order for that.

/// Blocks at a time.
pub const LANES: usize = 8;
/// A number of each.
pub type Lanes = [f32; LANES];

/// Blocks whose largest number is smaller have zeros alone.
pub const NOTHING: f32 = 1e-15;

/// Which scales [`ranged`] tries: the integers reach up to `most + first + each * step`, for all steps up to the `last`.
#[derive(Clone, Copy)]
pub struct Steps {
    pub first: f32,
    pub each: f32,
    pub last: u8,
    /// Errors count as they are, not squared.
    pub absolute: bool,
}

/// What scales are tried where it is known how much each weight counts.
pub const FINE: Steps = Steps { first: -0.9, each: 0.05, last: 36, absolute: false };

/// The nearest integer, halves to the even one. By a sum, as an instruction for it is not everywhere.
pub fn nearest(x: f32) -> f32 {
    const ULP_IS_1: f32 = 12_582_912.0;
    (x + ULP_IS_1) - ULP_IS_1
}

/// What the squares of these numbers are on average.
pub fn mean_square(x: &[f32]) -> f32 {
    x.iter().fold(0.0, |sum, x| sum + x * x) / x.len() as f32
}

/// `low` for what is no number.
fn between(x: f32, low: f32, high: f32) -> f32 {
    let x = if x > low { x } else { low };
    if x < high { x } else { high }
}

/// What `f` makes of each lane.
fn each(f: impl FnMut(usize) -> f32) -> Lanes {
    std::array::from_fn(f)
}

/// The number that is furthest from 0, with its sign: the first of several.
fn furthest<const N: usize>(x: &[Lanes; N]) -> Lanes {
    x.iter().fold([0.0; LANES], |most, x| each(|j| if x[j].abs() > most[j].abs() { x[j] } else { most[j] }))
}

/// x ≈ scale · q − min, with q from 0 to `most`. Gives q, the scales and the minima, which are not below 0.
pub fn ranged<const N: usize>(
    most: f32,
    x: &[Lanes; N],
    weights: &[Lanes; N],
    steps: Steps,
) -> ([Lanes; N], Lanes, Lanes) {
    let (mut low, mut high) = (x[0], x[0]);
    let mut sum_w = weights[0];
    let mut sum_x = each(|j| sum_w[j] * x[0][j]);
    for (x, w) in x.iter().zip(weights).skip(1) {
        for j in 0..LANES {
            low[j] = if x[j] < low[j] { x[j] } else { low[j] };
            high[j] = if x[j] > high[j] { x[j] } else { high[j] };
            sum_w[j] += w[j];
            sum_x[j] += w[j] * x[j];
        }
    }
    low = low.map(|low| if low > 0.0 { 0.0 } else { low });
    let nothing: [bool; LANES] = std::array::from_fn(|j| high[j] <= low[j]);
    let smallest = low;
    let integers = |by: &Lanes, low: &Lanes| x.map(|x| each(|j| between(nearest(by[j] * (x[j] - low[j])), 0.0, most)));
    let lost = |q: &[Lanes; N], scale: &Lanes, min: &Lanes| {
        let mut sum = [0.0; LANES];
        for ((q, x), w) in q.iter().zip(x).zip(weights) {
            for j in 0..LANES {
                let off = scale[j] * q[j] + min[j] - x[j];
                sum[j] += w[j] * if steps.absolute { off.abs() } else { off * off };
            }
        }
        sum
    };
    let by = each(|j| most / (high[j] - low[j]));
    let mut scale = by.map(|by| 1.0 / by);
    let mut q = integers(&by, &low);
    let mut best = lost(&q, &scale, &low);
    for step in 0..=steps.last {
        let reach = steps.first + steps.each * f32::from(step) + most;
        // From where the best so far begins, not from the smallest number.
        let tried = integers(&each(|j| reach / (high[j] - low[j])), &low);
        let (mut sum_q, mut sum_qq, mut sum_xq) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for ((q, x), w) in tried.iter().zip(x).zip(weights) {
            for j in 0..LANES {
                let wq = w[j] * q[j];
                sum_q[j] += wq;
                sum_qq[j] += wq * q[j];
                sum_xq[j] += wq * x[j];
            }
        }
        let det = each(|j| sum_w[j] * sum_qq[j] - sum_q[j] * sum_q[j]);
        let mut fit = each(|j| (sum_w[j] * sum_xq[j] - sum_x[j] * sum_q[j]) / det[j]);
        let mut min = each(|j| (sum_qq[j] * sum_x[j] - sum_q[j] * sum_xq[j]) / det[j]);
        for j in 0..LANES {
            if min[j] > 0.0 {
                min[j] = 0.0;
                fit[j] = sum_xq[j] / sum_qq[j];
            }
        }
        let error = lost(&tried, &fit, &min);
        let better: [bool; LANES] = std::array::from_fn(|j| det[j] > 0.0 && error[j] < best[j]);
        for (q, tried) in q.iter_mut().zip(&tried) {
            *q = each(|j| if better[j] { tried[j] } else { q[j] });
        }
        best = each(|j| if better[j] { error[j] } else { best[j] });
        scale = each(|j| if better[j] { fit[j] } else { scale[j] });
        low = each(|j| if better[j] { min[j] } else { low[j] });
    }
    for j in (0..LANES).filter(|&j| nothing[j]) {
        q.iter_mut().for_each(|q| q[j] = 0.0);
        (scale[j], low[j]) = (0.0, smallest[j]);
    }
    (q, scale, low.map(|low| -low))
}

/// x ≈ scale · (q − most), with q from 0 to 2 · `most` − 1. Gives q, which is 0 where all numbers are, and the scales.
pub fn symmetric<const N: usize>(most: f32, x: &[Lanes; N], weights: &[Lanes; N]) -> ([Lanes; N], Lanes) {
    let end = furthest(x);
    let integers = |by: &Lanes| x.map(|x| each(|j| between(nearest(by[j] * x[j]), -most, most - 1.0)));
    let sums = |q: &[Lanes; N]| {
        let (mut sum_xq, mut sum_qq) = ([0.0; LANES], [0.0; LANES]);
        for ((q, x), w) in q.iter().zip(x).zip(weights) {
            for j in 0..LANES {
                sum_xq[j] += w[j] * x[j] * q[j];
                sum_qq[j] += w[j] * q[j] * q[j];
            }
        }
        (sum_xq, sum_qq)
    };
    let mut q = integers(&each(|j| -most / end[j]));
    let (sum_xq, sum_qq) = sums(&q);
    let mut scale = each(|j| if sum_qq[j] == 0.0 { 0.0 } else { sum_xq[j] / sum_qq[j] });
    let mut best = each(|j| scale[j] * sum_xq[j]);
    for step in (-9i8..=9).filter(|step| *step != 0) {
        let tried = integers(&each(|j| -(most + 0.1 * f32::from(step)) / end[j]));
        let (sum_xq, sum_qq) = sums(&tried);
        let better: [bool; LANES] =
            std::array::from_fn(|j| sum_qq[j] > 0.0 && sum_xq[j] * sum_xq[j] > best[j] * sum_qq[j]);
        for (q, tried) in q.iter_mut().zip(&tried) {
            *q = each(|j| if better[j] { tried[j] } else { q[j] });
        }
        scale = each(|j| if better[j] { sum_xq[j] / sum_qq[j] } else { scale[j] });
        best = each(|j| if better[j] { scale[j] * sum_xq[j] } else { best[j] });
    }
    shifted(q, scale, end, most)
}

/// As [`symmetric`], with squares as weights: one integer after the other is changed as long as that loses less.
pub fn by_integer<const N: usize>(most: f32, x: &[Lanes; N]) -> ([Lanes; N], Lanes) {
    let end = furthest(x);
    let mut q = x.map(|x| each(|j| between(nearest(-most / end[j] * x[j]), -most, most - 1.0)));
    let (mut sum_xq, mut sum_qq) = ([0.0; LANES], [0.0; LANES]);
    for (q, x) in q.iter().zip(x) {
        for j in 0..LANES {
            let w = x[j] * x[j];
            sum_xq[j] += w * x[j] * q[j];
            sum_qq[j] += w * q[j] * q[j];
        }
    }
    for _ in 0..5 {
        for (q, x) in q.iter_mut().zip(x) {
            for j in 0..LANES {
                let w = x[j] * x[j];
                let rest_xq = sum_xq[j] - w * x[j] * q[j];
                let rest_qq = sum_qq[j] - w * q[j] * q[j];
                let new = between(nearest(x[j] * rest_qq / rest_xq), -most, most - 1.0);
                let new_xq = rest_xq + w * x[j] * new;
                let new_qq = rest_qq + w * new * new;
                let gains = new_xq * new_xq * sum_qq[j] > sum_xq[j] * sum_xq[j] * new_qq;
                if rest_xq > 0.0 && new != q[j] && new_qq > 0.0 && gains {
                    (q[j], sum_xq[j], sum_qq[j]) = (new, new_xq, new_qq);
                }
            }
        }
    }
    let scale = each(|j| if sum_qq[j] > 0.0 { sum_xq[j] / sum_qq[j] } else { 0.0 });
    shifted(q, scale, end, most)
}

/// With `most` added to the integers, but nothing where there is nothing.
fn shifted<const N: usize>(q: [Lanes; N], scale: Lanes, end: Lanes, most: f32) -> ([Lanes; N], Lanes) {
    let is = end.map(|end| end.abs() >= NOTHING);
    let q = q.map(|q| each(|j| if is[j] { q[j] + most } else { 0.0 }));
    (q, each(|j| if is[j] { scale[j] } else { 0.0 }))
}

/// x ≈ scale · q for numbers that are not below 0, such as scales: q from 0 to `most`, and the scale.
pub fn positive<const N: usize>(most: f32, x: &[f32; N], weights: &[f32; N]) -> ([f32; N], f32) {
    let end = x.iter().fold(0.0f32, |most, x| if *x > most { *x } else { most });
    if end < NOTHING {
        return ([0.0; N], 0.0);
    }
    let integers = |by: f32| x.map(|x| between(nearest(by * x), 0.0, most));
    let lost = |by: f32| {
        let scale = 1.0 / by;
        let off = x.iter().zip(integers(by)).map(|(x, q)| x - scale * q);
        off.zip(weights).fold(0.0, |sum, (off, w)| sum + w * off * off)
    };
    let mut by = most / end;
    let mut best = lost(by);
    for step in (-4i8..=4).filter(|step| *step != 0) {
        let tried = (0.1 * f32::from(step) + most) / end;
        let error = lost(tried);
        if error < best {
            (by, best) = (tried, error);
        }
    }
    let mut q = integers(by);
    let (mut sum_xq, mut sum_qq) = (0.0, 0.0);
    for ((q, x), w) in q.iter().zip(x).zip(weights) {
        sum_xq += w * x * q;
        sum_qq += w * q * q;
    }
    for _ in 0..5 {
        for ((q, x), w) in q.iter_mut().zip(x).zip(weights) {
            let (rest_xq, rest_qq) = (sum_xq - w * x * *q, sum_qq - w * *q * *q);
            if !(rest_xq > 0.0 && rest_qq > 0.0) {
                continue;
            }
            let new = between(nearest(x * rest_qq / rest_xq), 0.0, most);
            let (new_xq, new_qq) = (rest_xq + w * x * new, rest_qq + w * new * new);
            if new != *q && new_xq * new_xq * sum_qq > sum_xq * sum_xq * new_qq {
                (*q, sum_xq, sum_qq) = (new, new_xq, new_qq);
            }
        }
    }
    (q, if sum_qq > 0.0 { sum_xq / sum_qq } else { 0.0 })
}
