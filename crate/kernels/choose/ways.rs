//! Every way to a matrix product, as a table.

use crate::quant::TensorType;

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
    /// Whether it adds the norm of the projection before it to its input first: see `shaders/product/matvec_post.wgsl`.
    pub post: bool,
}

/// A kernel for a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub kernel: &'static str,
    /// What follows the tensor type in the variant's name, but for the planes.
    pub(super) option: &'static str,
    /// Threads that share a row of weights; 0 where that is not a choice.
    pub lanes: u32,
    /// Lanes that subgroups must have; 0: none are needed.
    pub(super) subgroup: u32,
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
    pub(super) const ALL: Able = Able { subgroup_min: u32::MAX, planes: 1, software: true };
}

/// Kernels whose threads load what is far apart: no graphics card gains by them.
const FOR_SOFTWARE: [&str; 2] = ["matvec_rows", "matmul"];

/// Every way to a fused product, and to the others. Those whose threads share a row have a form with a norm before.
pub(super) const FUSED: &[Way] = &[
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
pub(super) const PLAIN: &[Way] = &[
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
    pub(super) fn options(&self) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

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
