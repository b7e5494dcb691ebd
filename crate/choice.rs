//! Which variant of each kernel runs, and on what grid.

use std::collections::BTreeMap;

use crate::gpu::Caps;
use crate::kv_cache::KvType;
use crate::quant::TensorType;

/// Which permutation of each kernel the adapter runs (see `shaders/permutations`), where nothing has been measured.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Reductions: `tree` or `subgroup`.
    pub reduce: &'static str,
    /// How threads of the products come by activations: `direct`, or through `quad` or `octet` broadcasts; or `tile`,
    /// which stages them and the weights in shared memory.
    pub x: &'static str,
    /// Which matrix-vector kernel: `matvec`, whose threads share a row, or `matvec_rows`, whose threads own theirs.
    pub matvec: &'static str,
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

/// A matrix product, as far as the speed of its kernels goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Product {
    pub kind: TensorType,
    /// Rows of the weight part, and their length.
    pub n: u32,
    pub k: u32,
    /// Rows of activations.
    pub rows: u32,
    /// Whether it is recorded with what surrounds it in a layer: by a matrix-vector kernel.
    pub fused: bool,
}

/// A kernel for a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub kernel: &'static str,
    /// What follows the tensor type in the variant's name.
    pub option: &'static str,
    /// Threads that share a row of weights; 0 where that is not a choice.
    pub lanes: u32,
    /// Lanes that subgroups must have; 0: none are needed.
    pub subgroup: u32,
}

const fn way(kernel: &'static str, option: &'static str, lanes: u32, subgroup: u32) -> Way {
    Way { kernel, option, lanes, subgroup }
}

/// Every way to a fused product, and to the others.
const FUSED: &[Way] = &[
    way("matvec", "tree", 16, 0),
    way("matvec", "tree", 64, 0),
    way("matvec", "subgroup", 16, 4),
    way("matvec", "subgroup", 64, 4),
    way("matvec_rows", "direct", 0, 0),
    way("matvec_rows", "quad", 0, 4),
    way("matvec_rows", "octet", 0, 8),
];
const PLAIN: &[Way] = &[
    way("matmul", "direct", 0, 0),
    way("matmul", "quad", 0, 4),
    way("matmul", "octet", 0, 8),
    way("matmul_tile", "rows32", 0, 0),
    way("matmul_tile", "rows64", 0, 0),
    way("matmul_tile", "rows128", 0, 0),
];

impl Product {
    /// The ways that an adapter can go whose smallest subgroup has so many lanes, 0 without subgroups.
    pub fn ways(&self, subgroup_min: u32) -> impl Iterator<Item = Way> {
        let all = if self.fused { FUSED } else { PLAIN };
        all.iter().copied().filter(move |way| way.subgroup <= subgroup_min)
    }
}

impl Way {
    pub fn variant(&self, kind: TensorType) -> String {
        format!("{}.{}.{}", self.kernel, kind.name().to_lowercase(), self.option)
    }

    /// Workgroups for n rows of weights and `rows` rows of activations.
    pub fn grid(&self, n: u32, rows: u32) -> [u32; 2] {
        match (self.kernel, self.option) {
            ("matvec", _) => [n.div_ceil(256 / self.lanes), rows],
            ("matvec_rows", _) => [n.div_ceil(64), rows],
            ("matmul_tile", "rows32") => [rows.div_ceil(32), n.div_ceil(64)],
            ("matmul_tile", "rows64") => [rows.div_ceil(64), n.div_ceil(64)],
            ("matmul_tile", _) => [rows.div_ceil(128), n.div_ceil(64)],
            _ => [n.div_ceil(128), rows.div_ceil(16)],
        }
    }
}

/// The fastest way to each product, as measured on an adapter; the others go by [`Choice`].
#[derive(Clone, Debug, Default)]
pub struct Tuning(BTreeMap<Product, Way>);

impl Tuning {
    pub fn get(&self, product: &Product) -> Option<Way> {
        self.0.get(product).copied()
    }
    pub fn set(&mut self, product: Product, way: Way) {
        self.0.insert(product, way);
    }
    pub fn forget(&mut self, product: &Product) {
        self.0.remove(product);
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One line a product: `q4_k 2048x2048 rows 1 = matvec subgroup 64`, for people and for keeping.
    pub fn lines(&self) -> Vec<String> {
        let line = |(p, w): (&Product, &Way)| {
            let fused = if p.fused { " fused" } else { "" };
            let kind = p.kind.name().to_lowercase();
            format!("{kind} {}x{} rows {}{fused} = {} {} {}", p.n, p.k, p.rows, w.kernel, w.option, w.lanes)
        };
        self.0.iter().map(line).collect()
    }

    /// Reads what [`Tuning::lines`] wrote. Lines that mean nothing (any more), or that the adapter cannot run, are
    /// left out: they are measured anew.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>, subgroup_min: u32) -> Tuning {
        Tuning(lines.into_iter().filter_map(|line| parse(line, subgroup_min)).collect())
    }
}

fn parse(line: &str, subgroup_min: u32) -> Option<(Product, Way)> {
    let (product, way) = line.split_once(" = ")?;
    let (product, fused) = match product.strip_suffix(" fused") {
        Some(rest) => (rest, true),
        None => (product, false),
    };
    let (shape, rows) = product.split_once(" rows ")?;
    let (kind, size) = shape.split_once(' ')?;
    let (n, k) = size.split_once('x')?;
    let kind = TensorType::ALL.into_iter().find(|t| t.name().eq_ignore_ascii_case(kind))?;
    let product = Product { kind, n: n.parse().ok()?, k: k.parse().ok()?, rows: rows.parse().ok()?, fused };
    let way = product.ways(subgroup_min).find(|w| format!("{} {} {}", w.kernel, w.option, w.lanes) == way)?;
    Some((product, way))
}

impl Choice {
    /// What suits an adapter of this kind. On software adapters each lane pays for a load, even one that all lanes
    /// share, and a barrier costs more: there activations are broadcast and no row is shared.
    pub fn of(caps: &Caps, kv: KvType) -> Choice {
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
        Choice { reduce, x, matvec, lanes, attention, kv }
    }

    /// What the CPU backend records: one kernel for each step, which the device cuts into pieces itself.
    pub fn cpu(kv: KvType) -> Choice {
        let kv = if kv == KvType::F32 { "f32" } else { "pack16" };
        Choice { reduce: "tree", x: "direct", matvec: "matvec", lanes: "tree", attention: "attention", kv }
    }

    /// The way to a product of which nothing is known.
    pub fn way(&self, product: &Product) -> Way {
        let (option, lanes) = match (product.fused, self.x) {
            (true, x) if self.matvec == "matvec_rows" => (if x == "tile" { "direct" } else { x }, 0),
            // Few rows leave a GPU idle: more threads share each, where a row is long enough for them.
            (true, _) => (self.reduce, if product.k >= 2048 && product.n < 16384 { 64 } else { 16 }),
            // Both tiles compute the same; few rows would leave most of the larger one idle.
            (false, "tile") => (if product.rows <= 32 { "rows32" } else { "rows64" }, 0),
            (false, x) => (x, 0),
        };
        let mut ways = product.ways(u32::MAX);
        let matches = |w: &Way| w.option == option && w.lanes == lanes && (!product.fused || w.kernel == self.matvec);
        ways.find(matches).expect("a way of every name")
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

    /// The variant of what precedes attention, and the grid; `pairs` of elements turn.
    pub fn rope_kv(&self, heads: Heads, pairs: u32, rows: u32, prefill: bool) -> (String, [u32; 2]) {
        let all = heads.n_heads + 2 * heads.n_kv_heads;
        // Threads that own a head turn whole vectors.
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

/// Query heads of a KV head, spread evenly over as few workgroups of at most 4 as hold them: (workgroups, heads of each).
fn head_groups(per_kv: u32) -> (u32, u32) {
    let groups = per_kv.div_ceil(4);
    (groups, per_kv.div_ceil(groups))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tuning_is_kept_as_lines() {
        let fused = Product { kind: TensorType::Q4_K, n: 2048, k: 512, rows: 1, fused: true };
        let plain = Product { rows: 64, fused: false, ..fused };
        let mut tuning = Tuning::default();
        tuning.set(fused, FUSED[3]);
        tuning.set(plain, PLAIN[4]);
        let lines = tuning.lines();
        let read = |subgroup_min| Tuning::parse(lines.iter().map(String::as_str), subgroup_min);
        assert_eq!(read(32).lines(), lines);
        // An adapter without subgroups, and lines from elsewhere.
        assert_eq!(read(0).get(&fused), None);
        assert_eq!(read(0).get(&plain), Some(PLAIN[4]));
        let strange = ["", "q4_k 1x1 rows 1 = matvec", "q9 1x1 rows 1 = matmul direct 0", "q4_k 9 rows 1 = a b c"];
        assert!(Tuning::parse(strange, 32).is_empty());
    }

    #[test]
    fn attention_has_a_workgroup_for_every_head_and_row() {
        for attention in ["attention", "attention_tile", "attention_rows"] {
            let choice = Choice { reduce: "tree", x: "tile", matvec: "matvec", lanes: "tree", attention, kv: "f16" };
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

    #[test]
    fn a_tile_for_every_row() {
        for way in PLAIN.iter().filter(|way| way.kernel == "matmul_tile") {
            let tile: u32 = way.option.trim_start_matches("rows").parse().unwrap();
            for rows in [1, 5, 32, 33, 64, 65, 128, 129, 256] {
                let [x, y] = way.grid(65, rows);
                assert!(x * tile >= rows && (x - 1) * tile < rows && y == 2, "{way:?} for {rows} rows: {x} by {y}");
            }
        }
    }

    #[test]
    fn every_way_is_a_variant() {
        for (fused, ways) in [(true, FUSED), (false, PLAIN)] {
            for way in ways {
                assert!(crate::kernels::find(&way.variant(TensorType::Q6_K)).is_some(), "{way:?}");
            }
            let product = Product { kind: TensorType::F32, n: 1, k: 32, rows: 1, fused };
            assert_eq!(product.ways(u32::MAX).count(), ways.len());
        }
    }
}
