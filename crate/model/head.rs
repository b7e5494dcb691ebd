//! What is made of a pooled state on the CPU: an embedding, or a classifier's scores. It is small, and there is one state a
//! text or masked word.

use crate::base::error::Result;
use crate::kernels::elementwise::gelu_of;
use crate::model::place::Tensors;
use crate::model::spec::{Gives, Net, Scores};

/// Kinds of numbers that [`place`] has kept.
const PARTS: usize = 8;

/// (whether they are there, the tensor, [length of a row, rows]), in the order in which they are kept.
fn parts(net: &Net) -> [(bool, &'static str, [u32; 2]); PARTS] {
    let n = net.n_embd;
    let (head, widened) = match net.gives {
        Gives::States { head, widened, .. } => (head, widened),
        Gives::Logits => (None, None),
    };
    let (wide, width) = (widened.is_some(), widened.unwrap_or(0));
    let [dense, norm] = head.map_or([[false; 2]; 2], |head| [head.dense, head.norm]);
    let (labels, bias) = match head.map(|head| head.scores) {
        Some(Scores::Labels { count, bias }) => (count, bias),
        _ => (0, false),
    };
    [
        (wide, "dense_2.weight", [n, width]),
        (wide, "dense_3.weight", [width, n]),
        (dense[0], "cls.weight", [n, n]),
        (dense[1], "cls.bias", [n, 1]),
        (norm[0], "cls.norm.weight", [n, 1]),
        (norm[1], "cls.norm.bias", [n, 1]),
        (labels > 0, "cls.output.weight", [n, labels]),
        (bias, "cls.output.bias", [labels, 1]),
    ]
}

/// Declares the tensors that the CPU needs, which are kept one after the other from `first` on.
pub(super) fn place(net: &Net, first: u64, t: &mut Tensors) -> Result<()> {
    let mut at = first;
    for (_, name, shape) in parts(net).into_iter().filter(|part| part.0) {
        t.host(name, shape, at)?;
        at += u64::from(shape[0]) * u64::from(shape[1]);
    }
    Ok(())
}

/// What was kept of each part; empty where it is not there.
fn kept<'a>(net: &Net, mut weights: &'a [f32]) -> [&'a [f32]; PARTS] {
    parts(net).map(|(there, _, [k, n])| {
        let (part, rest) = weights.split_at(if there { k as usize * n as usize } else { 0 });
        weights = rest;
        part
    })
}

/// The embedding that a pooled state, [n_embd], becomes.
pub fn embedding(net: &Net, weights: &[f32], state: &[f32]) -> Vec<f32> {
    match kept(net, weights) {
        [[], ..] => state.to_vec(),
        [wide, narrow, ..] => product(narrow, &[], &product(wide, &[], state)),
    }
}

/// The scores of a pooled state, [n_embd]: one a label.
pub fn scores(net: &Net, weights: &[f32], state: &[f32]) -> Vec<f32> {
    let [.., out, bias] = kept(net, weights);
    product(out, bias, &inner(net, weights, state))
}

/// What a head's last matrix multiplies: [n_embd].
pub fn inner(net: &Net, weights: &[f32], state: &[f32]) -> Vec<f32> {
    let [_, _, dense, bias, norm, norm_bias, ..] = kept(net, weights);
    let y = if dense.is_empty() { state.to_vec() } else { product(dense, bias, state) };
    match (dense, norm) {
        ([], []) => y,
        (_, []) => y.into_iter().map(f32::tanh).collect(),
        _ => layer_norm(&gelu_of(&y), norm, norm_bias, net.norm_eps),
    }
}

fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32) -> Vec<f32> {
    let n = x.len() as f64;
    let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let variance = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
    let scale = 1.0 / (variance + f64::from(eps)).sqrt();
    let biases = bias.iter().copied().chain(std::iter::repeat(0.0));
    let normed = x.iter().zip(weight).map(|(&x, &w)| (f64::from(x) - mean) * scale * f64::from(w));
    normed.zip(biases).map(|(y, bias)| (y + f64::from(bias)) as f32).collect()
}

/// W x + b, without b where it is empty.
fn product(weight: &[f32], bias: &[f32], x: &[f32]) -> Vec<f32> {
    let dot = |row: &[f32]| row.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>();
    let biases = bias.iter().copied().chain(std::iter::repeat(0.0));
    weight.chunks_exact(x.len()).zip(biases).map(|(row, bias)| (dot(row) + f64::from(bias)) as f32).collect()
}
