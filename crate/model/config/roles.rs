//! What each tensor is for: its name in the file, and its shape in terms of the model's sizes.

use super::ModelConfig;

/// What a tensor is for. Names and meanings are llama.cpp's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    TokenEmbd,
    OutputNorm,
    /// The output head; without one, the token embedding is used.
    Output,
    /// Divisors of the RoPE frequencies, one a pair of rotated dimensions.
    RopeFreqs,
    AttnNorm,
    AttnQ,
    AttnK,
    AttnV,
    AttnQBias,
    AttnKBias,
    AttnVBias,
    AttnQNorm,
    AttnKNorm,
    AttnOutput,
    PostAttentionNorm,
    FfnNorm,
    FfnGate,
    FfnUp,
    FfnDown,
    PostFfwNorm,
}

/// A size of the model that tensors' shapes are made of.
#[derive(Clone, Copy)]
enum Dim {
    Embd,
    Vocab,
    Ff,
    /// All query heads.
    Q,
    /// All key (or value) heads.
    Kv,
    Head,
    RopePairs,
}

struct Row {
    role: Role,
    /// `{}` stands for the layer.
    pattern: &'static str,
    /// In GGUF order: the length of a row first.
    shape: &'static [Dim],
}

const fn row(role: Role, pattern: &'static str, shape: &'static [Dim]) -> Row {
    Row { role, pattern, shape }
}

const LAYER: &str = "blk.";

/// One row a role, in the order of the enum.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    row(Role::TokenEmbd,         "token_embd.weight",                 &[Dim::Embd, Dim::Vocab]),
    row(Role::OutputNorm,        "output_norm.weight",                &[Dim::Embd]),
    row(Role::Output,            "output.weight",                     &[Dim::Embd, Dim::Vocab]),
    row(Role::RopeFreqs,         "rope_freqs.weight",                 &[Dim::RopePairs]),
    row(Role::AttnNorm,          "blk.{}.attn_norm.weight",           &[Dim::Embd]),
    row(Role::AttnQ,             "blk.{}.attn_q.weight",              &[Dim::Embd, Dim::Q]),
    row(Role::AttnK,             "blk.{}.attn_k.weight",              &[Dim::Embd, Dim::Kv]),
    row(Role::AttnV,             "blk.{}.attn_v.weight",              &[Dim::Embd, Dim::Kv]),
    row(Role::AttnQBias,         "blk.{}.attn_q.bias",                &[Dim::Q]),
    row(Role::AttnKBias,         "blk.{}.attn_k.bias",                &[Dim::Kv]),
    row(Role::AttnVBias,         "blk.{}.attn_v.bias",                &[Dim::Kv]),
    row(Role::AttnQNorm,         "blk.{}.attn_q_norm.weight",         &[Dim::Head]),
    row(Role::AttnKNorm,         "blk.{}.attn_k_norm.weight",         &[Dim::Head]),
    row(Role::AttnOutput,        "blk.{}.attn_output.weight",         &[Dim::Q, Dim::Embd]),
    row(Role::PostAttentionNorm, "blk.{}.post_attention_norm.weight", &[Dim::Embd]),
    row(Role::FfnNorm,           "blk.{}.ffn_norm.weight",            &[Dim::Embd]),
    row(Role::FfnGate,           "blk.{}.ffn_gate.weight",            &[Dim::Embd, Dim::Ff]),
    row(Role::FfnUp,             "blk.{}.ffn_up.weight",              &[Dim::Embd, Dim::Ff]),
    row(Role::FfnDown,           "blk.{}.ffn_down.weight",            &[Dim::Ff, Dim::Embd]),
    row(Role::PostFfwNorm,       "blk.{}.post_ffw_norm.weight",       &[Dim::Embd]),
];

impl Role {
    pub fn all() -> impl Iterator<Item = Role> {
        ROWS.iter().map(|row| row.role)
    }

    /// One tensor in each layer, or one in the model.
    pub fn per_layer(self) -> bool {
        self.row().pattern.starts_with(LAYER)
    }

    /// A matrix has rows and is multiplied by or looked up in; a vector is added or scaled by.
    pub fn is_matrix(self) -> bool {
        self.row().shape.len() == 2
    }

    /// The tensor's name; `layer` counts for a [`per_layer`](Role::per_layer) role only.
    pub fn name(self, layer: u32) -> String {
        self.row().pattern.replacen("{}", &layer.to_string(), 1)
    }

    /// The role of the tensor with this name, and its layer (0 where the role has none).
    pub fn of(name: &str) -> Option<(Role, u32)> {
        let layer = match name.strip_prefix(LAYER) {
            Some(rest) => rest.split('.').next()?.parse().ok()?,
            None => 0,
        };
        // Comparing the written name refuses other spellings of the number, such as `+1`, `01`.
        Role::all().find(|role| role.name(layer) == name).map(|role| (role, layer))
    }

    /// The shape in GGUF order: row length, then rows.
    pub fn shape(self, config: &ModelConfig) -> Vec<u64> {
        let size = |dim: &Dim| match dim {
            Dim::Embd => config.n_embd,
            Dim::Vocab => config.n_vocab,
            Dim::Ff => config.n_ff,
            Dim::Q => config.q_dim(),
            Dim::Kv => config.kv_dim(),
            Dim::Head => config.head_dim,
            Dim::RopePairs => config.rope_dim / 2,
        };
        self.row().shape.iter().map(|dim| size(dim) as u64).collect()
    }

    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, row) in ROWS.iter().enumerate() {
            assert_eq!(row.role as usize, index);
        }
        assert_eq!(ROWS.len(), Role::PostFfwNorm as usize + 1);
    }

    #[test]
    fn names_lead_back_to_roles() {
        for role in Role::all() {
            let layer = if role.per_layer() { 17 } else { 0 };
            assert_eq!(Role::of(&role.name(layer)), Some((role, layer)));
        }
        assert_eq!(Role::AttnKNorm.name(3), "blk.3.attn_k_norm.weight");
        for unknown in ["", "blk.", "blk.1", "blk.x.attn_q.weight", "blk.+1.attn_q.weight", "blk.01.attn_q.weight"] {
            assert_eq!(Role::of(unknown), None, "{unknown}");
        }
        for unknown in
            ["blk.99999999999.attn_q.weight", "blk.1.attn_output.bias", "attn_q.weight", "blk.{}.attn_q.weight"]
        {
            assert_eq!(Role::of(unknown), None, "{unknown}");
        }
    }
}
