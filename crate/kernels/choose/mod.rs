//! Which variant of each kernel runs, and on what grid.

mod adapter;
mod tuning;
mod ways;

use crate::base::precision::KvType;

pub use adapter::{AdapterName, Caps};
pub use tuning::Tuning;
pub use ways::{Able, Product, Way};

/// Which permutation of each kernel the adapter runs (see `shaders/permutations`), where nothing has been measured.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Reductions: `tree` or `subgroup`.
    pub reduce: &'static str,
    /// How threads of the products come by activations: `direct`, or through `quad` or `octet` broadcasts; or `tile`,
    /// which stages them and the weights in shared memory; or `dot`, which does so with integers.
    pub x: &'static str,
    /// Which matrix-vector kernel: `matvec`, whose threads share a row; `matvec_dot`, where they make integers of
    /// activations first; or `matvec_rows`, whose threads own theirs.
    pub matvec: &'static str,
    /// The fewest planes of bytes that activations may become: 2, as good as f32, or 1 where speed is asked for; 0 where
    /// there are no integer products.
    pub planes: u32,
    /// Whether a norm behind a projection becomes part of the matrix-vector product after it, rather than a dispatch.
    pub post: bool,
    /// How attention's threads work together: as `reduce`, or `quad`, which broadcasts queries too.
    pub lanes: &'static str,
    /// Which attention kernel prefills: `attention`, a workgroup a row; `attention_tile`, many rows at a time, staged in
    /// shared memory; or `attention_rows`, whose threads own theirs.
    pub attention: &'static str,
    /// How the cache's numbers are read and written: `pack16` or `f16` for the same f16 bytes, or `f32`.
    pub kv: &'static str,
}

/// The heads of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    pub n_heads: u32,
    pub n_kv_heads: u32,
    pub head_dim: u32,
}

impl Choice {
    /// What suits an adapter of this kind. On software adapters each lane pays for a load, even one that all lanes
    /// share, and a barrier costs more: there activations are broadcast and no row is shared.
    /// With `fast`, integer products may take fewer bits.
    pub fn of(caps: &Caps, kv: KvType, fast: bool) -> Choice {
        let x = match caps.subgroup_min {
            _ if !caps.is_software => "tile",
            0..4 => "direct",
            4..8 => "quad",
            _ => "octet",
        };
        let kv = match kv {
            KvType::F32 => "f32",
            // A software adapter loads a word at a time: two numbers are better than one.
            KvType::F16 if caps.f16 && !caps.is_software => "f16",
            KvType::F16 => "pack16",
        };
        let reduce = if caps.subgroups { "subgroup" } else { "tree" };
        let lanes = if caps.subgroups && caps.is_software { "quad" } else { reduce };
        let matvec = if caps.is_software { "matvec_rows" } else { "matvec" };
        let attention = if caps.is_software { "attention_rows" } else { "attention_tile" };
        let planes = match (caps.dot, fast) {
            (false, _) => 0,
            (true, fast) => 2 - u32::from(fast),
        };
        // Each workgroup sums the projection for itself, which costs a software adapter more than a dispatch does.
        let post = !caps.is_software;
        Choice { reduce, x, matvec, planes, post, lanes, attention, kv }
    }

    /// The ways that an adapter can go, as far as it is chosen here.
    pub fn able(&self, caps: &Caps) -> Able {
        Able { subgroup_min: caps.subgroup_min, planes: self.planes, software: caps.is_software }
    }

    /// What the CPU backend records: one kernel for each step, which the device cuts into pieces itself.
    pub fn cpu(kv: KvType) -> Choice {
        let kv = if kv == KvType::F32 { "f32" } else { "pack16" };
        Choice {
            reduce: "tree",
            x: "direct",
            matvec: "matvec",
            planes: 0,
            post: false,
            lanes: "tree",
            attention: "attention",
            kv,
        }
    }

    /// The way to a product of which nothing is known.
    pub fn way(&self, product: &Product) -> Way {
        let kernel = match (product.fused, self.x) {
            (true, _) => self.matvec,
            (false, "tile") => "matmul_tile",
            (false, "dot") => "matmul_dot",
            (false, _) => "matmul",
        };
        // Weights that are floats have no integer products, and not every kernel adds a norm first.
        let kernel = match kernel {
            "matvec_rows" if product.post => "matvec",
            "matvec_dot" if !product.kind.is_quantized() => "matvec",
            "matmul_dot" if !product.kind.is_quantized() => "matmul_tile",
            kernel => kernel,
        };
        // Few rows leave a GPU idle: more threads share each, where a row is long enough for them. But what a workgroup
        // reads to add a norm first should serve many rows.
        let shared = if product.k >= 2048 && product.n < 16384 && !product.post { 64 } else { 16 };
        let (option, lanes) = match kernel {
            "matvec" | "matvec_dot" => (self.reduce, shared),
            "matmul_tile" | "matmul_dot" => (tile(product.rows), 0),
            _ if ["tile", "dot"].contains(&self.x) => ("direct", 0),
            _ => (self.x, 0),
        };
        let planes = if kernel.ends_with("_dot") { self.planes } else { 0 };
        let mut ways = product.ways(Able::ALL);
        let wanted = (kernel, option, lanes, planes);
        ways.find(|w| (w.kernel, w.option, w.lanes, w.planes) == wanted).expect("a way of every name")
    }

    /// A way to the sums of `way`, for so many rows.
    fn with_rows(&self, way: Way, rows: u32) -> Way {
        let option = if way.option.starts_with("rows") { tile(rows) } else { way.option };
        Way { option, ..way }
    }

    /// The variant of attention, the workgroups per KV head (where that is a parameter), and the grid. Query heads are
    /// spread evenly over as few workgroups as hold them.
    pub fn attention(&self, heads: Heads, rows: u32, prefill: bool) -> (String, u32, [u32; 2]) {
        let per_kv = heads.n_heads / heads.n_kv_heads;
        // The largest head_dim of a variant.
        let dim = [64, 128, 256].into_iter().find(|dim| heads.head_dim <= *dim).unwrap_or(256);
        match self.attention {
            "attention_rows" if prefill => {
                (format!("attention_rows.dim{dim}.{}", self.kv), 1, [rows.div_ceil(16), heads.n_heads])
            }
            "attention_tile" if prefill => {
                // The queries that the variant takes at a time.
                let queries = if dim == 256 { 32 } else { 64 };
                let groups = per_kv.div_ceil(queries);
                let rows_each = queries / per_kv.div_ceil(groups);
                let grid = [heads.n_kv_heads * groups, rows.div_ceil(rows_each)];
                (format!("attention_tile.dim{dim}.{}", self.kv), groups, grid)
            }
            _ => {
                let (groups, each) = head_groups(per_kv);
                (format!("attention.{}.{}.qh{each}", self.lanes, self.kv), groups, [heads.n_kv_heads * groups, rows])
            }
        }
    }

    /// The variant of what precedes attention, and the grid; `pairs` of elements are rotated.
    pub fn rope_kv(&self, heads: Heads, pairs: u32, rows: u32, prefill: bool) -> (String, [u32; 2]) {
        let all = heads.n_heads + 2 * heads.n_kv_heads;
        // Threads that own a head rotate whole vectors.
        if self.attention == "attention_rows" && prefill && pairs.is_multiple_of(4) {
            return (format!("rope_kv_rows.{}", self.kv), [rows.div_ceil(16), all]);
        }
        (format!("rope_kv.{}.{}", self.reduce, self.kv), [all, rows])
    }

    /// The variant of a single row's attention, and the workgroups per KV head.
    pub fn decode_attention(&self, per_kv: u32) -> (String, u32) {
        let (groups, heads) = head_groups(per_kv);
        (format!("decode_attention.{}.{}.qh{heads}", self.lanes, self.kv), groups)
    }

    /// Whether the draw counts tokens in shared memory (see `sampler::Shape`).
    pub fn counts_in_shared_memory(&self) -> bool {
        self.attention != "attention_rows"
    }
}

/// All tiles compute the same; few rows would leave most of a larger one idle.
fn tile(rows: u32) -> &'static str {
    if rows <= 32 { "rows32" } else { "rows64" }
}

/// Query heads of a KV head, spread evenly over as few workgroups of at most 4 as hold them: (workgroups, heads of each).
fn head_groups(per_kv: u32) -> (u32, u32) {
    let groups = per_kv.div_ceil(4);
    (groups, per_kv.div_ceil(groups))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attention_has_a_workgroup_for_every_head_and_row() {
        for attention in ["attention", "attention_tile", "attention_rows"] {
            let choice = Choice { attention, kv: "f16", ..Choice::cpu(KvType::F16) };
            for (per_kv, head_dim, prefill) in
                (1..=130).flat_map(|h| [4, 64, 68, 128, 132, 256].map(|d| [(h, d, true), (h, d, false)])).flatten()
            {
                let heads = Heads { n_heads: 2 * per_kv, n_kv_heads: 2, head_dim };
                let (variant, groups, [x, y]) = choice.attention(heads, 200, prefill);
                assert!(crate::kernels::find(&variant).is_some(), "{variant}");
                if variant.starts_with("attention_rows") {
                    assert!(16 * x >= 200 && y == 2 * per_kv);
                    continue;
                }
                assert_eq!(x, 2 * groups);
                let each = per_kv.div_ceil(groups);
                assert!((groups - 1) * each < per_kv, "{per_kv} heads leave one of {groups} groups empty");
                // Queries of a workgroup, by the shader.
                let queries = match (variant.starts_with("attention_tile"), head_dim) {
                    (false, _) => each,
                    (true, ..=128) => 64,
                    (true, _) => 32,
                };
                assert!(each <= queries && y * (queries / each) >= 200, "{per_kv} heads of {head_dim}");
            }
        }
    }
}
