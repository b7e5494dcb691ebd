//! Which type each matrix of a model becomes where it is quantised: not all lose alike. Of types with a K those that llama.cpp's
//! mixes Q5_K_M, Q4_K_M, Q3_K_M and Q2_K have, by its rules (`llama-quant.cpp`).

use super::Metadata;
use crate::base::error::Result;
use crate::quant::TensorType::{self, F16, F32, Q2_K, Q3_K, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0};

/// Tables of which a token reads a row each, and which are small.
const EXACT: [&str; 2] = ["position_embd.weight", "token_types.weight"];
/// What a coarse type costs most.
const ENDS: [&str; 2] = ["token_embd.weight", "output.weight"];

/// In which layers a rule holds.
#[derive(Clone, Copy)]
enum Where {
    All,
    /// The first so many.
    First(u32),
    /// The first of so many parts.
    Part(u32),
    /// The first and the last eighth, and every third between.
    Some,
    /// All, where so many heads of queries or more share a head of keys.
    Shared(u32),
}

/// Of a dense network, and of all experts.
const DOWN: &str = "ffn_down";

type Rule = (TensorType, &'static str, Where, TensorType);

/// What matrices become, what begins the name, behind its layer, of one that becomes something finer, where, and what it becomes. The first that holds.
const RULES: [Rule; 16] = [
    (Q5_K, "attn_v.weight", Where::Some, Q6_K),
    (Q5_K, DOWN, Where::Some, Q6_K),
    (Q5_K, "attn_qkv.weight", Where::All, Q6_K),
    (Q4_K, "attn_v.weight", Where::Some, Q6_K),
    (Q4_K, DOWN, Where::Some, Q6_K),
    (Q4_K, "attn_qkv.weight", Where::All, Q5_K),
    (Q3_K, "attn_v.weight", Where::First(2), Q5_K),
    (Q3_K, "attn_v.weight", Where::All, Q4_K),
    (Q3_K, DOWN, Where::Part(16), Q5_K),
    (Q3_K, DOWN, Where::All, Q4_K),
    (Q3_K, "attn_output.weight", Where::All, Q4_K),
    (Q3_K, "attn_qkv.weight", Where::All, Q4_K),
    (Q2_K, "attn_v.weight", Where::Shared(4), Q4_K),
    (Q2_K, "attn_v.weight", Where::All, Q3_K),
    (Q2_K, DOWN, Where::All, Q3_K),
    (Q2_K, "attn_output.weight", Where::All, Q3_K),
];

/// More of them, where an importance says what counts: small scales for it can go wrong in the first layers.
const BY_IMPORTANCE: [Rule; 2] = [(Q4_0, DOWN, Where::Part(8), Q4_1), (Q5_0, DOWN, Where::Part(8), Q5_1)];

/// What is to become of a model's matrices.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    most: TensorType,
    n_layers: u32,
    /// Heads of queries for one of keys.
    shared: u32,
    by_importance: bool,
}

impl Mix {
    /// Of the model that these keys are of. Errors: `BadMetadata`.
    pub fn new(most: TensorType, metadata: &Metadata) -> Result<Mix> {
        let arch = metadata.str("general.architecture")?.unwrap_or_default();
        let number = |key: &str| metadata.u32(&format!("{arch}.{key}")).ok().flatten();
        let n_layers = number("block_count").unwrap_or(0);
        let heads = number("attention.head_count").unwrap_or(1);
        let shared = heads / number("attention.head_count_kv").unwrap_or(heads).max(1);
        Ok(Mix { most, n_layers, shared, by_importance: false })
    }

    /// Where it is known how much columns count.
    pub fn by_importance(self, by_importance: bool) -> Mix {
        Mix { by_importance, ..self }
    }

    /// The type that a tensor is written in: lists stay whole, and rows that are no blocks of a type become a finer one.
    pub fn target(&self, name: &str, shape: &[u64]) -> TensorType {
        let ([row, _] | [row, _, _]) = shape[..] else { return F32 };
        if EXACT.contains(&name) {
            return F32;
        }
        let kind = match self.most {
            kind if !kind.is_quantized() => kind,
            kind if ENDS.contains(&name) => {
                if kind.block_len() > 32 {
                    Q6_K
                } else {
                    Q8_0
                }
            }
            kind => self.rule(name).unwrap_or(kind),
        };
        let fits = |kind: &TensorType| row.is_multiple_of(kind.block_len() as u64);
        [kind, in_blocks_of_32(kind)].into_iter().find(fits).unwrap_or(F16)
    }

    fn rule(&self, name: &str) -> Option<TensorType> {
        let (layer, role) = name.strip_prefix("blk.")?.split_once('.')?;
        let (layer, n) = (layer.parse::<u32>().ok()?, self.n_layers);
        let holds = |layers| match layers {
            Where::All => true,
            Where::First(count) => layer < count,
            Where::Part(of) => layer < n / of,
            Where::Some => layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2,
            Where::Shared(by) => self.shared >= by,
        };
        let more = if self.by_importance { &BY_IMPORTANCE[..] } else { &[] };
        RULES
            .iter()
            .chain(more)
            .find(|(most, of, layers, _)| *most == self.most && role.starts_with(of) && holds(*layers))
            .map(|rule| rule.3)
    }
}

/// What rows become that have no whole blocks of 256.
fn in_blocks_of_32(kind: TensorType) -> TensorType {
    match kind {
        Q6_K => Q8_0,
        Q5_K => Q5_1,
        Q4_K => Q5_0,
        Q3_K | Q2_K => Q4_0,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Value;

    fn mix(most: TensorType) -> Mix {
        let mut metadata = Metadata::default();
        metadata.insert("general.architecture", Value::Str("llama".into()));
        metadata.insert("llama.block_count", Value::U64(16));
        metadata.insert("llama.attention.head_count", Value::U64(12));
        metadata.insert("llama.attention.head_count_kv", Value::U64(3));
        Mix::new(most, &metadata).expect("sound keys")
    }

    #[test]
    fn types_go_by_what_tensors_are() {
        let of = |name, shape: &[u64], kind| mix(kind).target(name, shape);
        assert_eq!(of("blk.0.attn_q.weight", &[64, 64], Q4_0), Q4_0);
        assert_eq!(of("blk.0.attn_q.weight", &[70, 64], Q4_0), F16);
        assert_eq!(of("blk.0.attn_q.weight", &[512, 64], Q4_K), Q4_K);
        assert_eq!(of("blk.0.attn_q.weight", &[96, 64], Q4_K), Q5_0);
        assert_eq!(of("blk.0.attn_q.weight", &[70, 64], Q4_K), F16);
        assert_eq!(of("token_embd.weight", &[64, 64], Q4_0), Q8_0);
        assert_eq!(of("token_embd.weight", &[256, 64], Q4_K), Q6_K);
        assert_eq!(of("token_embd.weight", &[64, 64], F32), F32);
        assert_eq!(of("blk.0.attn_norm.weight", &[64], Q4_0), F32);
        assert_eq!(of("position_embd.weight", &[64, 64], Q4_0), F32);
    }

    /// Of 16 layers: what llama.cpp's Q4_K_M, Q3_K_M and Q2_K have.
    #[test]
    fn values_and_what_leaves_a_layer_are_finer() {
        let layers = |kind, role| (0..16).map(move |i| mix(kind).target(&format!("blk.{i}.{role}.weight"), &[256, 8]));
        let finer: Vec<u32> =
            (0..16).zip(layers(Q4_K, "attn_v")).filter(|(_, kind)| *kind == Q6_K).map(|(i, _)| i).collect();
        assert_eq!(finer, [0, 1, 4, 7, 10, 13, 14, 15]);
        assert!(layers(Q4_K, "attn_k").all(|kind| kind == Q4_K));
        assert_eq!(layers(Q3_K, "attn_v").take(3).collect::<Vec<_>>(), [Q5_K, Q5_K, Q4_K]);
        assert_eq!(layers(Q3_K, "ffn_down").take(2).collect::<Vec<_>>(), [Q5_K, Q4_K]);
        assert_eq!(layers(Q2_K, "attn_v").next(), Some(Q4_K));
    }
}
