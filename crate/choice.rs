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
    /// Whether it adds the norm of the projection before it to its input first: see `shaders/matvec_post.wgsl`.
    pub post: bool,
}

/// A kernel for a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub kernel: &'static str,
    /// What follows the tensor type in the variant's name, but for the planes.
    option: &'static str,
    /// Threads that share a row of weights; 0 where that is not a choice.
    pub lanes: u32,
    /// Lanes that subgroups must have; 0: none are needed.
    subgroup: u32,
    /// Planes of bytes that activations become; 0: they stay floats.
    pub planes: u32,
}

const fn way(kernel: &'static str, option: &'static str, lanes: u32, subgroup: u32) -> Way {
    Way { kernel, option, lanes, subgroup, planes: 0 }
}

const fn dot(kernel: &'static str, option: &'static str, planes: u32, lanes: u32, subgroup: u32) -> Way {
    Way { kernel, option, lanes, subgroup, planes }
}

/// Which ways an adapter can go, and its user wants.
#[derive(Clone, Copy, Debug)]
pub struct Able {
    /// Lanes of the smallest subgroup; 0 without subgroups.
    pub subgroup_min: u32,
    /// As in [`Choice`].
    pub planes: u32,
    /// It is software, which has kernels of its own.
    pub software: bool,
}

impl Able {
    const ALL: Able = Able { subgroup_min: u32::MAX, planes: 1, software: true };
}

/// Kernels whose threads load what is far apart: no graphics card gains by them.
const FOR_SOFTWARE: [&str; 2] = ["matvec_rows", "matmul"];

/// Every way to a fused product, and to the others. Those whose threads share a row have a form with a norm before.
const FUSED: &[Way] = &[
    way("matvec", "tree", 16, 0),
    way("matvec", "tree", 64, 0),
    way("matvec", "subgroup", 16, 4),
    way("matvec", "subgroup", 64, 4),
    dot("matvec_dot", "tree", 2, 16, 0),
    dot("matvec_dot", "tree", 2, 64, 0),
    dot("matvec_dot", "subgroup", 2, 16, 4),
    dot("matvec_dot", "subgroup", 2, 64, 4),
    dot("matvec_dot", "tree", 1, 16, 0),
    dot("matvec_dot", "tree", 1, 64, 0),
    dot("matvec_dot", "subgroup", 1, 16, 4),
    dot("matvec_dot", "subgroup", 1, 64, 4),
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
    dot("matmul_dot", "rows32", 2, 0, 0),
    dot("matmul_dot", "rows64", 2, 0, 0),
    dot("matmul_dot", "rows32", 1, 0, 0),
    dot("matmul_dot", "rows64", 1, 0, 0),
];

impl Product {
    /// The ways that an adapter can go.
    pub fn ways(&self, able: Able) -> impl Iterator<Item = Way> {
        let all = if self.fused { FUSED } else { PLAIN };
        let integers = if self.kind.is_quantized() { able.planes } else { 0 };
        let has = move |way: &Way| way.planes == 0 || integers > 0 && way.planes >= integers;
        let suits = move |way: &Way| able.software || !FOR_SOFTWARE.contains(&way.kernel);
        let post = self.post;
        let has_form = move |way: &Way| !post || way.kernel != "matvec_rows";
        let can = move |way: &Way| way.subgroup <= able.subgroup_min && has(way) && suits(way) && has_form(way);
        all.iter().copied().filter(can)
    }
}

impl Way {
    /// The variant that computes this product.
    pub fn variant(&self, product: &Product) -> String {
        let post = if product.post { "_post" } else { "" };
        format!("{}{post}.{}.{}", self.kernel, product.kind.name().to_lowercase(), self.options())
    }

    /// What follows the tensor type in the variant's name.
    fn options(&self) -> String {
        match self.planes {
            0 => self.option.into(),
            planes => format!("{}.planes{planes}", self.option),
        }
    }

    /// Whether both give the same sums, to the last bit.
    pub fn sums_as(&self, other: &Way) -> bool {
        (self.kernel, self.planes) == (other.kernel, other.planes)
    }

    /// Workgroups for n rows of weights and `rows` rows of activations.
    pub fn grid(&self, n: u32, rows: u32) -> [u32; 2] {
        match (self.kernel, self.option) {
            ("matvec" | "matvec_dot", _) => [n.div_ceil(256 / self.lanes), rows],
            ("matvec_rows", _) => [n.div_ceil(64), rows],
            (_, "rows32") => [rows.div_ceil(32), n.div_ceil(64)],
            (_, "rows64") => [rows.div_ceil(64), n.div_ceil(64)],
            (_, "rows128") => [rows.div_ceil(128), n.div_ceil(64)],
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

    /// The way to a product: as measured, or as `choice` has it. All rows of a prompt get sums of the kernel that its
    /// largest chunk gets: how a prompt is cut must not change what is computed of it.
    pub fn way(&self, product: &Product, choice: &Choice) -> Way {
        let Some(largest) = self.largest(product) else {
            return self.get(product).unwrap_or_else(|| choice.way(product));
        };
        self.get(product).filter(|way| way.sums_as(&largest)).unwrap_or_else(|| choice.with_rows(largest, product.rows))
    }

    /// The way to this matrix's product with the most rows that was measured; of a fused product none.
    pub fn largest(&self, product: &Product) -> Option<Way> {
        let rows = |rows| Product { rows, ..*product };
        let same = self.0.range(rows(0)..=rows(u32::MAX));
        same.rev().find(|(p, _)| !p.fused && !product.fused).map(|(_, &way)| way)
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

    /// One line a product: `q4_k 2048x2048 rows 1 fused = matvec subgroup 64`, for people and for keeping.
    pub fn lines(&self) -> Vec<String> {
        let line = |(p, w): (&Product, &Way)| {
            let fused = match (p.fused, p.post) {
                (true, true) => " fused post",
                (true, false) => " fused",
                (false, _) => "",
            };
            let kind = p.kind.name().to_lowercase();
            format!("{kind} {}x{} rows {}{fused} = {} {} {}", p.n, p.k, p.rows, w.kernel, w.options(), w.lanes)
        };
        self.0.iter().map(line).collect()
    }

    /// Reads what [`Tuning::lines`] wrote. Lines that mean nothing (any more), or that the adapter cannot run, are
    /// left out: they are measured anew.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>, able: Able) -> Tuning {
        Tuning(lines.into_iter().filter_map(|line| parse(line, able)).collect())
    }
}

fn parse(line: &str, able: Able) -> Option<(Product, Way)> {
    let (product, way) = line.split_once(" = ")?;
    let ends = [(" fused post", true, true), (" fused", true, false), ("", false, false)];
    let (product, fused, post) = ends.into_iter().find_map(|e| Some((product.strip_suffix(e.0)?, e.1, e.2)))?;
    let (shape, rows) = product.split_once(" rows ")?;
    let (kind, size) = shape.split_once(' ')?;
    let (n, k) = size.split_once('x')?;
    let kind = TensorType::ALL.into_iter().find(|t| t.name().eq_ignore_ascii_case(kind))?;
    let product = Product { kind, n: n.parse().ok()?, k: k.parse().ok()?, rows: rows.parse().ok()?, fused, post };
    let way = product.ways(able).find(|w| format!("{} {} {}", w.kernel, w.options(), w.lanes) == way)?;
    Some((product, way))
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

    const PLAINEST: Able = Able { subgroup_min: 0, planes: 0, software: false };

    #[test]
    fn a_tuning_is_kept_as_lines() {
        let fused = Product { kind: TensorType::Q4_K, n: 2048, k: 512, rows: 1, fused: true, post: false };
        let plain = Product { rows: 64, fused: false, ..fused };
        let post = Product { post: true, ..fused };
        let mut tuning = Tuning::default();
        tuning.set(fused, FUSED[3]);
        tuning.set(plain, PLAIN[4]);
        tuning.set(post, FUSED[1]);
        let lines = tuning.lines();
        let read = |subgroup_min| {
            Tuning::parse(lines.iter().map(String::as_str), Able { subgroup_min, planes: 0, software: false })
        };
        assert_eq!(read(32).lines(), lines);
        // An adapter without subgroups, and lines from elsewhere.
        assert_eq!(read(0).get(&fused), None);
        assert_eq!((read(0).get(&plain), read(0).get(&post)), (Some(PLAIN[4]), Some(FUSED[1])));
        let strange = [
            "",
            "q4_k 1x1 rows 1 = matvec",
            "q9 1x1 rows 1 = matmul direct 0",
            "q4_k 9 rows 1 = a b c",
            // Kernels without a norm before.
            "q4_k 9x32 rows 1 fused post = matvec_rows direct 0",
            "q4_k 9x32 rows 1 post = matmul direct 0",
        ];
        assert!(Tuning::parse(strange, Able::ALL).is_empty());
    }

    #[test]
    fn integer_products_are_for_whom_can_and_wants() {
        let quantized = Product { kind: TensorType::Q4_K, n: 2048, k: 512, rows: 64, fused: false, post: false };
        let floats = Product { kind: TensorType::F16, ..quantized };
        let most = |product: Product, planes| {
            let ways = [false, true].map(|fused| Product { fused, ..product });
            let able = Able { planes, ..PLAINEST };
            let ways = ways.iter().flat_map(|p| p.ways(able).map(|w| w.planes));
            let mut found: Vec<u32> = ways.collect();
            found.sort_unstable();
            found.dedup();
            found
        };
        assert_eq!((most(quantized, 0), most(floats, 1)), (vec![0], vec![0]));
        assert_eq!((most(quantized, 2), most(quantized, 1)), (vec![0, 2], vec![0, 1, 2]));
        // A line from when speed was asked for says nothing to whom it is not.
        let line = "q4_k 2048x512 rows 64 = matmul_dot rows64.planes1 0";
        let read = |planes| Tuning::parse([line], Able { planes, ..PLAINEST }).lines();
        assert_eq!((read(1), read(2)), (vec![line.to_string()], vec![]));
    }

    #[test]
    fn every_chunk_gets_the_sums_of_the_largest() {
        let product = |rows| Product { kind: TensorType::Q4_K, n: 2048, k: 512, rows, fused: false, post: false };
        let choice = Choice { x: "tile", planes: 2, ..Choice::cpu(KvType::F16) };
        let mut tuning = Tuning::default();
        let ways = |tuning: &Tuning| [1, 20, 64, 256].map(|rows| tuning.way(&product(rows), &choice).options());
        assert_eq!(ways(&tuning), ["rows32", "rows32", "rows64", "rows64"]);
        tuning.set(product(64), PLAIN[5]);
        assert_eq!(ways(&tuning), ["rows32", "rows32", "rows128", "rows64"]);
        // Now a larger chunk was measured; neither what is fused nor another matrix counts.
        tuning.set(product(256), PLAIN[7]);
        tuning.set(Product { fused: true, ..product(300) }, FUSED[0]);
        tuning.set(Product { k: 1024, ..product(300) }, PLAIN[0]);
        assert_eq!(ways(&tuning), ["rows32", "rows32", "rows64", "rows64"].map(|rows| format!("{rows}.planes2")));
        let fused = Product { fused: true, ..product(1) };
        assert_eq!(tuning.way(&fused, &choice), choice.way(&fused));
    }

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

    #[test]
    fn a_tile_for_every_row() {
        for way in PLAIN.iter().filter(|way| way.kernel != "matmul") {
            let tile: u32 = way.option.trim_start_matches("rows").parse().unwrap();
            for rows in [1, 5, 32, 33, 64, 65, 128, 129, 256] {
                let [x, y] = way.grid(65, rows);
                assert!(x * tile >= rows && (x - 1) * tile < rows && y == 2, "{way:?} for {rows} rows: {x} by {y}");
            }
        }
    }

    #[test]
    fn every_way_is_a_variant() {
        for (fused, post, count) in [(true, false, FUSED.len()), (true, true, 12), (false, false, PLAIN.len())] {
            let product = Product { kind: TensorType::Q6_K, n: 1, k: 32, rows: 1, fused, post };
            for way in product.ways(Able::ALL) {
                assert!(crate::kernels::find(&way.variant(&product)).is_some(), "{way:?}");
            }
            assert_eq!(product.ways(Able::ALL).count(), count);
        }
    }
}
