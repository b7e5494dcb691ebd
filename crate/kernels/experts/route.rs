//! `shaders/experts/route.wgsl` on the CPU.

use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Number, Rows};
use crate::kernels::table::route::Variant;

/// The least sum of weights: see the shader.
const LEAST_SUM: f32 = 6.103_515_6e-5;
/// What is no number is chosen by this.
const FIRST: f32 = 3e38;

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize
    }

    fn row<L: Lanes>(job: &Job, r: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let (n, used) = (p.n as usize, p.used as usize);
        let start = r * p.stride as usize + p.first as usize;
        let z: Vec<L::Number> = b.z.floats(start..start + n).iter().map(|&z| L::Number::of(z)).collect();
        let one = L::Number::of(1.0);
        let mut weights = match p.scores {
            1 => softmax(&z),
            2 => z.iter().map(|&z| one / (one + (-z).exp())).collect(),
            _ => z,
        };
        let mut scores = weights.clone();
        if p.has_bias != 0 {
            scores.iter_mut().zip(b.bias.floats(0..n)).for_each(|(score, &bias)| *score = *score + L::Number::of(bias));
        }
        // What is no number comes first and counts as none: see the shader.
        for (weight, score) in weights.iter_mut().zip(&mut scores).filter(|(_, score)| score.to_f32().is_nan()) {
            (*weight, *score) = (*score, L::Number::of(FIRST));
        }
        if p.groups > 1 {
            let each = n / p.groups as usize;
            let best: Vec<L::Number> = scores.chunks_exact(each).map(best_two).collect();
            let groups = largest(&best, p.groups_used as usize);
            let groups = |expert: usize| groups.contains(&(expert / each));
            scores.iter_mut().enumerate().filter(|(i, _)| !groups(*i)).for_each(|(_, s)| *s = L::Number::of(f32::MIN));
        }
        let experts = largest(&scores, used);
        let chosen: Vec<L::Number> = experts.iter().map(|&expert| weights[expert]).collect();
        let chosen = match (p.scores, p.normed) {
            (3, _) => softmax(&chosen),
            (_, 0) => chosen,
            _ => {
                let sum = chosen.iter().fold(L::Number::default(), |sum, &weight| sum + weight);
                let sum = if sum < L::Number::of(LEAST_SUM) { L::Number::of(LEAST_SUM) } else { sum };
                chosen.iter().map(|&weight| weight / sum).collect()
            }
        };
        let choices = b.choices.floats_mut(2 * r * used..2 * (r + 1) * used);
        for (to, (&expert, weight)) in choices.as_chunks_mut::<2>().0.iter_mut().zip(experts.iter().zip(chosen)) {
            let factor = if p.has_factors != 0 { b.factors.floats(expert..expert + 1)[0] } else { 1.0 };
            *to = [expert as f32, (weight * L::Number::of(p.scale) * L::Number::of(factor)).to_f32()];
        }
    }
}

fn softmax<N: Number>(z: &[N]) -> Vec<N> {
    let most = z.iter().copied().fold(z[0], |most, z| if z > most { z } else { most });
    let powers: Vec<N> = z.iter().map(|&z| (z - most).exp()).collect();
    let sum = powers.iter().fold(N::default(), |sum, &power| sum + power);
    powers.into_iter().map(|power| power / sum).collect()
}

/// The sum of a group's two largest scores.
fn best_two<N: Number>(scores: &[N]) -> N {
    largest(scores, scores.len().min(2)).into_iter().fold(N::default(), |sum, i| sum + scores[i])
}

/// Where the `count` largest are, the largest first, and of equal ones the first.
fn largest<N: Number>(scores: &[N], count: usize) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::with_capacity(count);
    while found.len() < count {
        let mut best: Option<usize> = None;
        for (i, score) in scores.iter().enumerate() {
            if !found.contains(&i) && best.is_none_or(|best| *score > scores[best]) {
                best = Some(i);
            }
        }
        found.extend(best);
    }
    found
}
