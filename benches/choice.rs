//! Kernel choices that a person forces.

use sotto::bail;
use sotto::base::error::Result;
use sotto::kernels::choose::{Choice, ManyRows, Prefill, SingleRow};
use sotto::kernels::table::choices::{Kv, Lanes, Merge, Planes, Reduce, X};

/// A name and a value, and what they force.
type Force = (&'static str, &'static str, fn(&mut Choice));

const FORCED: &[Force] = &[
    ("reduce", "tree", |c| c.reduce = Reduce::Tree),
    ("reduce", "subgroup", |c| c.reduce = Reduce::Subgroup),
    ("x", "direct", |c| c.many = ManyRows::Owned(X::Direct)),
    ("x", "quad", |c| c.many = ManyRows::Owned(X::Quad)),
    ("x", "octet", |c| c.many = ManyRows::Owned(X::Octet)),
    ("x", "tile", |c| c.many = ManyRows::Tile),
    ("x", "dot", |c| c.many = ManyRows::TileDot),
    ("matvec", "matvec", |c| c.single = SingleRow::Shared),
    ("matvec", "matvec_dot", |c| c.single = SingleRow::SharedDot),
    // It shares activations as the products of many rows do.
    ("matvec", "matvec_rows", |c| {
        c.single = SingleRow::Owned(if let ManyRows::Owned(x) = c.many { x } else { X::Direct });
    }),
    ("planes", "1", |c| c.planes = Some(Planes::N1)),
    ("planes", "2", |c| c.planes = Some(Planes::N2)),
    ("post", "true", |c| c.post = true),
    ("post", "false", |c| c.post = false),
    ("attention", "attention", |c| c.prefill = Prefill::Row),
    ("attention", "attention_rows", |c| c.prefill = Prefill::Owned),
    ("attention", "attention_tile", |c| c.prefill = Prefill::Tile),
    ("lanes", "tree", |c| c.lanes = Lanes::Tree),
    ("lanes", "subgroup", |c| c.lanes = Lanes::Subgroup),
    ("lanes", "quad", |c| c.lanes = Lanes::Quad),
    ("merge", "apart", |c| c.merge = Some(Merge::Apart)),
    ("merge", "inside", |c| c.merge = Some(Merge::Inside)),
    ("scan", "rows", |c| c.blocks = false),
    ("scan", "blocks", |c| c.blocks = true),
    ("kv", "pack16", |c| c.kv = Kv::Pack16),
    ("kv", "f16", |c| c.kv = Kv::F16),
    ("kv", "f32", |c| c.kv = Kv::F32),
    ("kv", "q8", |c| c.kv = Kv::Q8),
    ("kv", "q4", |c| c.kv = Kv::Q4),
];

/// The adapter's choice with some of it forced, in the order of the words. `BadOption` for what is no choice.
pub fn forced(mut choice: Choice, words: &[String]) -> Result<Choice> {
    for word in words {
        let wanted = word.split_once('=').unwrap_or((word, ""));
        let Some((.., force)) = FORCED.iter().find(|(name, value, _)| (*name, *value) == wanted) else {
            let known: Vec<String> = FORCED.iter().map(|(name, value, _)| format!("{name}={value}")).collect();
            bail!(BadOption, "There is no kernel choice '{word}'; give some of {}.", known.join(", "))
        };
        force(&mut choice);
    }
    Ok(choice)
}
