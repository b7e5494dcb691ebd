//! Which variant of each kernel runs, and on what grid.

mod adapter;
mod cuts;
mod simpler;
mod split;
mod tuning;
mod ways;

use crate::base::precision::KvType;
use crate::kernels::face::Chosen;
use crate::kernels::table::choices::{Dim, Kv, Lanes, Merge, Planes, Qh, Reduce, X};
use crate::kernels::table::{
    attention, attention_rows, attention_tile, decode_attention, matmul_dot, rmsnorm, rope_kv, rope_kv_rows,
};

pub use adapter::{AdapterName, Caps};
pub use cuts::Cuts;
pub use split::Split;
pub use tuning::Tuning;
pub use ways::{Able, Product, Way};

/// How the products of many rows come by activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManyRows {
    /// Threads own rows of weights, and load activations or get them from others of their subgroup.
    Owned(X),
    /// They and the weights are staged in shared memory.
    Tile,
    /// So they are, as integers.
    TileDot,
}

impl ManyRows {
    /// How a kernel whose threads own their rows gets what all of them read.
    pub fn shares(self) -> X {
        match self {
            ManyRows::Owned(x) => x,
            ManyRows::Tile | ManyRows::TileDot => X::Direct,
        }
    }
}

/// Which matrix-vector kernel runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SingleRow {
    /// Threads share a row of weights.
    Shared,
    /// They do, and make integers of activations first.
    SharedDot,
    /// Threads own their rows, and load activations or get them from others of their subgroup.
    Owned(X),
}

/// Which attention kernel prefills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefill {
    /// A workgroup a row.
    Row,
    /// Many rows at a time, staged in shared memory.
    Tile,
    /// Threads own their rows.
    Owned,
}

/// Which permutation of each kernel the adapter runs (see `shaders/permutations`), where nothing has been measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Reductions over a workgroup.
    pub reduce: Reduce,
    /// The products of many rows.
    pub many: ManyRows,
    /// The products of single rows.
    pub single: SingleRow,
    /// Whether there are kernels that unpack weights once for a few rows.
    pub few: bool,
    /// The fewest planes of bytes that activations may become: two, as good as f32, or one where speed is asked for;
    /// `None` where there are no integer products.
    pub planes: Option<Planes>,
    /// Whether a norm behind a projection becomes part of the matrix-vector product after it, rather than a dispatch.
    pub post: bool,
    /// How attention's threads work together.
    pub lanes: Lanes,
    /// Attention of prompts.
    pub prefill: Prefill,
    /// How one token's attention is cut.
    pub cuts: Cuts,
    /// How its stretches are put together; `None`: by a dispatch of its own, whatever was measured.
    pub merge: Option<Merge>,
    /// Replies from which on a pass that goes on with them takes the kernels of prompts; 0: it never does.
    pub beside: u32,
    /// Whether a state space takes a prompt's rows in blocks, rather than row after row.
    pub blocks: bool,
    /// How the cache's numbers are read and written: `pack16` and `f16` for the same bytes, or others.
    pub kv: Kv,
}

/// The heads of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Heads {
    /// Query heads.
    pub n_heads: u32,
    /// Heads of keys, as of values.
    pub n_kv_heads: u32,
    /// Their length.
    pub head_dim: u32,
}

impl Choice {
    /// What suits an adapter of this kind. On software adapters each lane pays for a load, even one that all lanes
    /// share, and a barrier costs more: there activations are broadcast and no row is shared.
    /// With `fast`, integer products may take fewer bits.
    pub fn of(caps: &Caps, kv: KvType, fast: bool) -> Choice {
        let x = match caps.subgroup_min {
            0..4 => X::Direct,
            4..8 => X::Quad,
            _ => X::Octet,
        };
        let kv = match kv {
            KvType::F32 => Kv::F32,
            // A software adapter loads a word at a time: two numbers are better than one.
            KvType::F16 if caps.f16 && !caps.is_software => Kv::F16,
            KvType::F16 => Kv::Pack16,
            KvType::Q8 => Kv::Q8,
            KvType::Q4 => Kv::Q4,
        };
        let (reduce, lanes) = match (caps.subgroups, caps.is_software) {
            (false, _) => (Reduce::Tree, Lanes::Tree),
            (true, false) => (Reduce::Subgroup, Lanes::Subgroup),
            (true, true) => (Reduce::Subgroup, Lanes::Quad),
        };
        let planes = match (caps.dot, fast) {
            (false, _) => None,
            (true, false) => Some(Planes::N2),
            (true, true) => Some(Planes::N1),
        };
        if caps.is_software {
            // Each workgroup sums the projection for itself, which costs a software adapter more than a dispatch does.
            let (many, single) = (ManyRows::Owned(x), SingleRow::Owned(x));
            return Choice {
                reduce,
                many,
                single,
                few: true,
                planes,
                post: false,
                lanes,
                prefill: Prefill::Owned,
                cuts: Cuts::CORES,
                merge: Some(Merge::Apart),
                beside: 0,
                blocks: true,
                kv,
            };
        }
        let (many, single) = match caps.dot && caps.adapter.is_large() {
            true => (ManyRows::TileDot, SingleRow::SharedDot),
            false => (ManyRows::Tile, SingleRow::Shared),
        };
        let prefill = Prefill::Tile;
        let cuts = if caps.adapter.is_large() { Cuts::LARGE_CARD } else { Cuts::CARD };
        Choice {
            reduce,
            many,
            single,
            few: true,
            planes,
            post: true,
            lanes,
            prefill,
            cuts,
            merge: Some(Merge::Apart),
            beside: 0,
            blocks: true,
            kv,
        }
    }

    /// The ways that an adapter can go, as far as it is chosen here.
    pub fn able(&self, caps: &Caps) -> Able {
        Able { subgroup_min: caps.subgroup_min, planes: self.fewest_planes(), software: caps.is_software }
    }

    fn fewest_planes(self) -> u32 {
        self.planes.map_or(0, Planes::value)
    }

    /// What the CPU backend records: one kernel for each step, which the device cuts into pieces itself.
    pub fn cpu(kv: KvType) -> Choice {
        Choice {
            reduce: Reduce::Tree,
            many: ManyRows::Owned(X::Direct),
            single: SingleRow::Shared,
            few: false,
            planes: None,
            post: false,
            lanes: Lanes::Tree,
            prefill: Prefill::Row,
            cuts: Cuts::CORES,
            merge: None,
            beside: 3,
            // A reply is to be the same to the bit however its prompt was cut.
            blocks: false,
            kv: match kv {
                KvType::F32 => Kv::F32,
                KvType::F16 => Kv::Pack16,
                KvType::Q8 => Kv::Q8,
                KvType::Q4 => Kv::Q4,
            },
        }
    }

    /// How the cache stores a number.
    pub fn kv_type(&self) -> KvType {
        self.kv.kind()
    }

    /// The way to a product of which nothing is known.
    pub fn way(&self, product: &Product) -> Way {
        // Few rows leave a GPU idle: more threads share each, where a row is long enough for them. But what a workgroup
        // reads to add a norm first should serve many rows.
        let lanes = if product.k >= 2048 && product.n < 16384 && !product.post { 64 } else { 16 };
        let (reduce, planes) = (self.reduce, self.planes.unwrap_or(Planes::N2));
        let shared = match self.few && product.rows > 1 && !product.post {
            true => Way::Few { reduce, lanes },
            false => Way::Shared { reduce, lanes },
        };
        let wanted = match (product.fused, self.single, self.many) {
            (true, SingleRow::Shared, _) => shared,
            (true, SingleRow::SharedDot, _) => Way::SharedDot { reduce, lanes, planes },
            (true, SingleRow::Owned(x), _) => Way::Owned { x },
            (false, _, ManyRows::Owned(x)) => Way::Many { x },
            (false, _, ManyRows::Tile) => Way::tile(product.rows),
            // The smaller tile was the quicker wherever it was measured.
            (false, _, ManyRows::TileDot) => Way::TileDot { rows: matmul_dot::Rows::N32, planes },
        };
        match (wanted.fits(product), product.fused) {
            (true, _) => wanted,
            (false, true) => shared,
            (false, false) => Way::tile(product.rows),
        }
    }

    /// The norm of rows.
    pub fn rmsnorm(&self) -> rmsnorm::Variant {
        rmsnorm::Variant { reduce: self.reduce }
    }

    /// Attention of many rows. Query heads are spread evenly over as few workgroups as hold them.
    pub fn attention(&self, heads: Heads, rows: u32, prefill: bool) -> Attend {
        let (per_kv, kv) = (heads.n_heads / heads.n_kv_heads, self.kv);
        // The smallest head_dim of a variant that holds this one.
        let dim = Dim::ALL.into_iter().find(|dim| heads.head_dim <= dim.value()).unwrap_or(Dim::N256);
        match self.prefill {
            Prefill::Owned if prefill => {
                let grid = [rows.div_ceil(attention_rows::THREADS), heads.n_heads];
                Attend { variant: attention_rows::Variant { dim, kv }.into(), groups: 1, grid }
            }
            Prefill::Tile if prefill => {
                // The queries that the variant takes at a time.
                let queries = if dim == Dim::N256 { 32 } else { 64 };
                let groups = per_kv.div_ceil(queries);
                let rows_each = queries / per_kv.div_ceil(groups);
                let grid = [heads.n_kv_heads * groups, rows.div_ceil(rows_each)];
                Attend { variant: attention_tile::Variant { dim, kv }.into(), groups, grid }
            }
            _ => {
                let (groups, qh) = head_groups(per_kv, 4);
                let variant = attention::Variant { lanes: self.lanes, kv, qh }.into();
                Attend { variant, groups, grid: [heads.n_kv_heads * groups, rows] }
            }
        }
    }

    /// What precedes the attention of many rows; `pairs` of a head's numbers are rotated.
    pub fn rope_kv(
        &self,
        heads: Heads,
        pairs: u32,
        rows: u32,
        prefill: bool,
    ) -> (Chosen<rope_kv::Params, rope_kv::Bind>, [u32; 2]) {
        let all = heads.n_heads + 2 * heads.n_kv_heads;
        // Threads that own a head rotate whole vectors.
        if self.prefill == Prefill::Owned && prefill && pairs.is_multiple_of(4) {
            return (rope_kv_rows::Variant { kv: self.kv }.into(), [rows.div_ceil(rope_kv_rows::THREADS), all]);
        }
        (rope_kv::Variant { reduce: self.reduce, kv: self.kv }.into(), [all, rows])
    }

    /// A single row's attention after `before` others.
    pub fn decode_attention(&self, heads: Heads, before: u32, tuning: &Tuning) -> AttendOne {
        let (groups, qh) = head_groups(heads.n_heads / heads.n_kv_heads, self.cuts.heads(before));
        let parts = self.cuts.at(before);
        let merge = match self.merge {
            Some(usual) if parts > 1 => tuning.merge(&Split { heads, parts }).unwrap_or(usual),
            _ => Merge::Apart,
        };
        AttendOne { variant: decode_attention::Variant { lanes: self.lanes, kv: self.kv, qh, merge }, groups, parts }
    }

    /// Whether the draw counts tokens in shared memory, which software adapters take seconds to compile.
    pub fn counts_in_shared_memory(&self) -> bool {
        self.prefill != Prefill::Owned
    }
}

/// Attention of many rows.
pub struct Attend {
    /// One of the kernels.
    pub variant: Chosen<attention::Params, attention::Bind>,
    /// Workgroups per KV head, where that is a parameter.
    pub groups: u32,
    /// Workgroups.
    pub grid: [u32; 2],
}

/// Attention of a single row.
pub struct AttendOne {
    /// Of the kernel.
    pub variant: decode_attention::Variant,
    /// Workgroups per KV head.
    pub groups: u32,
    /// Stretches that the cells are cut into.
    pub parts: u32,
}

/// Query heads of a KV head, spread evenly over as few workgroups of at most `most` as hold them: (workgroups, heads of
/// each).
fn head_groups(per_kv: u32, most: u32) -> (u32, Qh) {
    let groups = per_kv.div_ceil(most);
    (groups, Qh::of(per_kv.div_ceil(groups)).unwrap_or(Qh::N4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::face::Face;
    use crate::quant::TensorType;

    #[test]
    fn attention_has_a_workgroup_for_every_head_and_row() {
        for way in [Prefill::Row, Prefill::Tile, Prefill::Owned] {
            let choice = Choice { prefill: way, kv: Kv::F16, ..Choice::cpu(KvType::F16) };
            for (per_kv, head_dim, prefill) in
                (1..=130).flat_map(|h| [4, 64, 68, 128, 132, 256].map(|d| [(h, d, true), (h, d, false)])).flatten()
            {
                let heads = Heads { n_heads: 2 * per_kv, n_kv_heads: 2, head_dim };
                let Attend { variant, groups, grid: [x, y] } = choice.attention(heads, 200, prefill);
                let queries = if let Some(variant) = attention::Variant::of(variant.id) {
                    variant.qh.value()
                } else if let Some(variant) = attention_tile::Variant::of(variant.id) {
                    // As the shader has it.
                    16 * (512 / variant.dim.value().max(128))
                } else {
                    assert!(16 * x >= 200 && y == 2 * per_kv);
                    continue;
                };
                assert_eq!(x, 2 * groups);
                let each = per_kv.div_ceil(groups);
                assert!((groups - 1) * each < per_kv, "{per_kv} heads leave one of {groups} groups empty");
                assert!(each <= queries && y * (queries / each) >= 200, "{per_kv} heads of {head_dim}");
            }
        }
    }

    #[test]
    fn integers_are_the_default_where_they_were_the_quickest() {
        let caps = |vendor: &str, dot| Caps {
            subgroups: true,
            subgroup_min: 32,
            f16: true,
            dot,
            timestamps: false,
            max_binding: 1 << 30,
            is_software: false,
            adapter: AdapterName { vendor: vendor.into(), ..AdapterName::default() },
        };
        let product = Product { kind: TensorType::Q4_K, n: 4096, k: 4096, rows: 200, fused: false, post: false };
        let ways = |vendor, dot| {
            let choice = Choice::of(&caps(vendor, dot), KvType::F16, false);
            [false, true].map(|fused| choice.way(&Product { fused, ..product }).planes())
        };
        assert_eq!((ways("nvidia", true), ways("nvidia", false), ways("amd", true)), ([2, 2], [0, 0], [0, 0]));
    }

    #[test]
    fn every_product_has_a_way() {
        let kinds = TensorType::FORMATS.iter().copied();
        let bools = || [false, true].into_iter();
        let singles = [SingleRow::Shared, SingleRow::SharedDot, SingleRow::Owned(X::Octet)];
        for (kind, single) in kinds.flat_map(|kind| singles.map(|single| (kind, single))) {
            for many in [ManyRows::Owned(X::Quad), ManyRows::Tile, ManyRows::TileDot] {
                let choice = Choice { single, many, planes: None, ..Choice::cpu(KvType::F16) };
                for (fused, post) in bools().flat_map(|fused| bools().map(move |post| (fused, fused && post))) {
                    let product = Product { kind, n: 64, k: 4096, rows: 9, fused, post };
                    assert!(choice.way(&product).variant(&product).is_some(), "{choice:?} {product:?}");
                }
            }
        }
    }
}
