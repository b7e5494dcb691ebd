//! What was measured of the ways to products.

use super::{Able, Choice, Product, Split, Way};
use crate::kernels::face::VariantId;
use crate::kernels::table::choices::Merge;
use crate::quant::TensorType;

/// What was measured of some things, in their order. They are few: a tree's code would be larger than all of them.
#[derive(Clone, Debug)]
struct Sorted<K, V>(Vec<(K, V)>);

impl<K: Ord, V: Copy> Sorted<K, V> {
    fn find(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(key))
    }

    fn get(&self, key: &K) -> Option<V> {
        self.find(key).ok().map(|at| self.0[at].1)
    }

    fn insert(&mut self, key: K, value: V) {
        match self.find(&key) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (key, value)),
        }
    }
}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Sorted(Vec::new())
    }
}

/// The fastest way to each product, and to put each attention's stretches together, as measured on an adapter; the others go
/// by [`Choice`].
#[derive(Clone, Debug, Default)]
pub struct Tuning {
    ways: Sorted<Product, Way>,
    merges: Sorted<Split, Merge>,
    avoided: Vec<VariantId>,
}

impl Tuning {
    /// What was measured as the fastest for a product.
    pub fn get(&self, product: &Product) -> Option<Way> {
        self.ways.get(product)
    }

    /// The way to a product: as measured, or as `choice` has it. All rows of a prompt get sums of the kernel that its
    /// largest chunk gets: how a prompt is cut must not change what is computed of it.
    pub fn way(&self, product: &Product, choice: &Choice) -> Way {
        let Some(largest) = self.largest(product) else {
            return self.get(product).unwrap_or_else(|| choice.way(product));
        };
        self.get(product).filter(|way| way.sums_as(&largest)).unwrap_or_else(|| largest.with_rows(product.rows))
    }

    /// The way to this matrix's product with the most rows that was measured; of a fused product none.
    pub fn largest(&self, product: &Product) -> Option<Way> {
        let rows = |rows| Product { rows, ..*product };
        let same = self.ways.0.iter().rev().filter(|(other, _)| rows(other.rows) == *other);
        same.filter(|_| !product.fused).map(|(_, way)| *way).next()
    }

    /// Keeps what was measured for a product, in place of what was before.
    pub fn set(&mut self, product: Product, way: Way) {
        self.ways.insert(product, way);
    }
    /// Drops what was measured for a product.
    pub fn forget(&mut self, product: &Product) {
        self.ways.0.retain(|(other, _)| other != product);
    }
    /// What was measured as the fastest for a cut attention.
    pub fn merge(&self, split: &Split) -> Option<Merge> {
        self.merges.get(split)
    }
    /// Keeps what was measured for a cut attention, or drops it.
    pub fn set_merge(&mut self, split: Split, merge: Option<Merge>) {
        match merge {
            Some(merge) => self.merges.insert(split, merge),
            None => self.merges.0.retain(|(other, _)| *other != split),
        }
    }
    /// What was measured of products alone.
    pub fn of_products(&self) -> Tuning {
        Tuning { merges: Sorted::default(), ..self.clone() }
    }
    /// What computes something else than it should is not measured any more, and nothing is known of what it won.
    pub fn avoid(&mut self, variant: VariantId) {
        self.avoided.push(variant);
        self.ways.0.retain(|(product, way)| way.variant(product) != Some(variant));
    }
    /// Whether a way to a product is one of those.
    pub fn avoids(&self, product: &Product, way: &Way) -> bool {
        way.variant(product).is_some_and(|variant| self.avoided.contains(&variant))
    }
    /// Drops what was measured for this matrix's product, whatever its rows.
    pub fn forget_matrix(&mut self, product: &Product) {
        self.ways.0.retain(|(other, _)| Product { rows: product.rows, ..*other } != *product);
    }
    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.ways.0.is_empty() && self.merges.0.is_empty()
    }

    /// One line a product: `q4_k 2048x2048 rows 1 fused = matvec.q4_k.subgroup 64`, and one a cut attention:
    /// `attention 16:8x128 in 32 = inside`, for people and for keeping.
    pub fn lines(&self) -> Vec<String> {
        let line = |(p, w): &(Product, Way)| {
            let fused = match (p.fused, p.post) {
                (true, true) => " fused post",
                (true, false) => " fused",
                (false, _) => "",
            };
            let kind = p.kind.name().to_lowercase();
            let variant = w.variant(p)?.name();
            Some(format!("{kind} {}x{} rows {}{fused} = {variant} {}", p.n, p.k, p.rows, w.lanes()))
        };
        let merges = self.merges.0.iter().map(|(split, merge)| format!("{split} = {}", merge.name()));
        self.ways.0.iter().filter_map(line).chain(merges).collect()
    }

    /// Reads what [`Tuning::lines`] wrote. Lines that mean nothing (any more), or that the adapter cannot run, are
    /// left out: they are measured anew.
    pub fn parse(lines: impl IntoIterator<Item = impl AsRef<str>>, able: Able) -> Tuning {
        let mut tuning = Tuning::default();
        for line in lines {
            let line = line.as_ref();
            parse(line, able).into_iter().for_each(|(product, way)| tuning.ways.insert(product, way));
            parse_merge(line).into_iter().for_each(|(split, merge)| tuning.merges.insert(split, merge));
        }
        tuning
    }
}

fn parse_merge(line: &str) -> Option<(Split, Merge)> {
    let (split, merge) = line.split_once(" = ")?;
    Some((split.parse().ok()?, Merge::named(merge)?))
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
    let (variant, lanes) = way.split_once(' ')?;
    let wanted = (Some(VariantId::named(variant)?), lanes.parse().ok()?);
    let way = product.ways(able).find(|way| (way.variant(&product), way.lanes()) == wanted)?;
    Some((product, way))
}

#[cfg(test)]
mod tests {
    use super::super::ways::tests::ALL;
    use super::*;
    use crate::base::precision::KvType;
    use crate::kernels::choose::{Cuts, Heads, ManyRows};
    use crate::kernels::table::choices::{Planes, Reduce};
    use crate::kernels::table::{matmul_dot, matmul_tile};

    #[test]
    fn merges_are_kept_as_lines() {
        let heads = Heads { n_heads: 16, n_kv_heads: 8, head_dim: 128 };
        let [few, many] = [16, 32].map(|parts| Split { heads, parts });
        let mut tuning = Tuning::default();
        tuning.set_merge(few, Some(Merge::Apart));
        tuning.set_merge(many, Some(Merge::Inside));
        let lines = tuning.lines();
        assert_eq!(lines, ["attention 16:8x128 in 16 = apart", "attention 16:8x128 in 32 = inside"]);
        let read = Tuning::parse(lines, PLAINEST);
        assert_eq!((read.merge(&few), read.merge(&many)), (Some(Merge::Apart), Some(Merge::Inside)));
        let strange =
            ["attention 16:8x128 in 16 = beside", "attention 16x128 in 16 = inside", "attention 1:1x4 in = inside"];
        assert!(Tuning::parse(strange, PLAINEST).is_empty());
        // Where the choice has none, nothing measured changes that; and what is whole has nothing to merge.
        let choice = Choice { merge: Some(Merge::Apart), cuts: Cuts::CARD, ..Choice::cpu(KvType::F16) };
        let merge = |choice: Choice, before| choice.decode_attention(heads, before, &read).variant.merge;
        let merges = [0, 600, 2000, 5000].map(|before| merge(choice, before));
        assert_eq!(merges, [Merge::Apart, Merge::Apart, Merge::Inside, Merge::Apart]);
        assert_eq!(merge(Choice { merge: Some(Merge::Inside), ..choice }, 5000), Merge::Inside);
        assert_eq!(merge(Choice { merge: None, ..choice }, 2000), Merge::Apart);
    }

    const TILE_64: Way = Way::Tile { rows: matmul_tile::Rows::N64 };
    const TREE_64: Way = Way::Shared { reduce: Reduce::Tree, lanes: 64 };
    const PLAINEST: Able = Able { subgroup_min: 0, planes: 0, software: false };

    #[test]
    fn a_tuning_is_kept_as_lines() {
        let fused = Product { kind: TensorType::Q4_K, n: 2048, k: 512, rows: 1, fused: true, post: false };
        let plain = Product { rows: 64, fused: false, ..fused };
        let post = Product { post: true, ..fused };
        let mut tuning = Tuning::default();
        tuning.set(fused, Way::Shared { reduce: Reduce::Subgroup, lanes: 64 });
        tuning.set(plain, TILE_64);
        tuning.set(post, TREE_64);
        let lines = tuning.lines();
        let read = |subgroup_min| {
            Tuning::parse(lines.iter().map(String::as_str), Able { subgroup_min, planes: 0, software: false })
        };
        assert_eq!(read(32).lines(), lines);
        // An adapter without subgroups, and lines from elsewhere.
        assert_eq!(read(0).get(&fused), None);
        assert_eq!((read(0).get(&plain), read(0).get(&post)), (Some(TILE_64), Some(TREE_64)));
        let strange = [
            "",
            "q4_k 1x1 rows 1 = matvec",
            "q9 1x1 rows 1 = matmul.q4_k.direct 0",
            "q4_k 9 rows 1 = a b c",
            "q4_k 9x32 rows 1 = matmul.q5_k.direct 0",
            // Kernels without a norm before.
            "q4_k 9x32 rows 1 fused post = matvec_rows.q4_k.direct 0",
            "q4_k 9x32 rows 1 post = matmul.q4_k.direct 0",
        ];
        assert!(Tuning::parse(strange, ALL).is_empty());
    }

    #[test]
    fn integer_products_are_for_whom_can_and_wants() {
        let quantized = Product { kind: TensorType::Q4_K, n: 2048, k: 512, rows: 64, fused: false, post: false };
        let floats = Product { kind: TensorType::F16, ..quantized };
        let most = |product: Product, planes| {
            let ways = [false, true].map(|fused| Product { fused, ..product });
            let able = Able { planes, ..PLAINEST };
            let ways = ways.iter().flat_map(|p| p.ways(able).map(Way::planes));
            let mut found: Vec<u32> = ways.collect();
            found.sort_unstable();
            found.dedup();
            found
        };
        assert_eq!((most(quantized, 0), most(floats, 1)), (vec![0], vec![0]));
        assert_eq!((most(quantized, 2), most(quantized, 1)), (vec![0, 2], vec![0, 1, 2]));
        // A line from when speed was asked for says nothing to whom it is not.
        let line = "q4_k 2048x512 rows 64 = matmul_dot.q4_k.rows64.planes1 0";
        let read = |planes| Tuning::parse([line], Able { planes, ..PLAINEST }).lines();
        assert_eq!((read(1), read(2)), (vec![line.to_string()], vec![]));
    }

    #[test]
    fn every_chunk_gets_the_sums_of_the_largest() {
        let product = |rows| Product { kind: TensorType::Q4_K, n: 2048, k: 512, rows, fused: false, post: false };
        let choice = Choice { many: ManyRows::Tile, planes: Some(Planes::N2), ..Choice::cpu(KvType::F16) };
        let mut tuning = Tuning::default();
        let tiles = |tuning: &Tuning| {
            [1, 20, 64, 256].map(|rows| match tuning.way(&product(rows), &choice) {
                Way::Tile { rows } => rows.value(),
                way => panic!("{way:?}"),
            })
        };
        assert_eq!(tiles(&tuning), [32, 32, 64, 64]);
        tuning.set(product(64), Way::Tile { rows: matmul_tile::Rows::N128 });
        assert_eq!(tiles(&tuning), [32, 32, 128, 64]);
        // Now a larger chunk was measured; neither what is fused nor another matrix counts.
        let dot = |rows| Way::TileDot { rows, planes: Planes::N2 };
        tuning.set(product(256), dot(matmul_dot::Rows::N64));
        tuning.set(Product { fused: true, ..product(300) }, TREE_64);
        tuning.set(Product { k: 1024, ..product(300) }, TILE_64);
        let (few, many) = (dot(matmul_dot::Rows::N32), dot(matmul_dot::Rows::N64));
        assert_eq!([1, 20, 64, 256].map(|rows| tuning.way(&product(rows), &choice)), [few, few, many, many]);
        // Where the smaller tile is the quicker, fewer rows take it too.
        tuning.set(product(256), few);
        assert_eq!([1, 20, 64, 256].map(|rows| tuning.way(&product(rows), &choice)), [few; 4]);
        let fused = Product { fused: true, ..product(1) };
        assert_eq!(tuning.way(&fused, &choice), choice.way(&fused));
    }
}
