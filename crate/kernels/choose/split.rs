//! A token's attention whose cells are cut into stretches.

use super::Heads;

/// What it takes to put the stretches together depends on these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Split {
    /// Of the layer.
    pub heads: Heads,
    /// Stretches.
    pub parts: u32,
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Heads { n_heads, n_kv_heads, head_dim } = self.heads;
        write!(f, "attention {n_heads}:{n_kv_heads}x{head_dim} in {}", self.parts)
    }
}

impl std::str::FromStr for Split {
    type Err = ();

    /// What `Display` wrote.
    fn from_str(text: &str) -> Result<Self, ()> {
        let numbers = text.strip_prefix("attention ").and_then(|text| {
            let (heads, parts) = text.split_once(" in ")?;
            let (counts, head_dim) = heads.split_once('x')?;
            let (n_heads, n_kv_heads) = counts.split_once(':')?;
            Some([n_heads, n_kv_heads, head_dim, parts])
        });
        let [n_heads, n_kv_heads, head_dim, parts] = numbers.ok_or(())?.map(|number| number.parse().map_err(|_| ()));
        let heads = Heads { n_heads: n_heads?, n_kv_heads: n_kv_heads?, head_dim: head_dim? };
        Ok(Split { heads, parts: parts? })
    }
}
