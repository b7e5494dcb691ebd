//! A classifier's scores of a state, made on the CPU: it is small, and there is one state a text.

use crate::base::error::Result;
use crate::model::place::Tensors;
use crate::model::spec::Head;

impl Head {
    /// Declares its tensors, which are kept one after the other from `first` on.
    pub(super) fn place(self, n_embd: u32, first: u64, t: &mut Tensors) -> Result<()> {
        let mut at = first;
        let parts = [
            (self.dense, "cls.weight", n_embd, n_embd),
            (self.bias[0], "cls.bias", n_embd, 1),
            (true, "cls.output.weight", n_embd, self.n_labels),
            (self.bias[1], "cls.output.bias", self.n_labels, 1),
        ];
        for (_, name, k, n) in parts.into_iter().filter(|part| part.0) {
            t.host(name, [k, n], at)?;
            at += u64::from(k) * u64::from(n);
        }
        Ok(())
    }

    /// [n_labels] scores of a state, [n_embd], with the numbers that [`Head::place`] had kept.
    pub fn scores(self, weights: &[f32], state: &[f32]) -> Vec<f32> {
        let (n, mut rest) = (state.len(), weights);
        let mut take = |wanted: bool, count: usize| {
            let (part, behind) = rest.split_at(if wanted { count } else { 0 });
            rest = behind;
            part
        };
        let (weight, bias) = (take(self.dense, n * n), take(self.bias[0], n));
        let n_labels = self.n_labels as usize;
        let (out, out_bias) = (take(true, n_labels * n), take(self.bias[1], n_labels));
        if !self.dense {
            return product(out, out_bias, state);
        }
        let inner: Vec<f32> = product(weight, bias, state).into_iter().map(f32::tanh).collect();
        product(out, out_bias, &inner)
    }
}

/// W x + b, without b where it is empty.
fn product(weight: &[f32], bias: &[f32], x: &[f32]) -> Vec<f32> {
    let dot = |row: &[f32]| row.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>();
    let biases = bias.iter().copied().chain(std::iter::repeat(0.0));
    weight.chunks_exact(x.len()).zip(biases).map(|(row, bias)| (dot(row) + f64::from(bias)) as f32).collect()
}
