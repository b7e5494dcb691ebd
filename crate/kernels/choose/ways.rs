//! Every way to a matrix product.

use crate::kernels::face::{Chosen, VariantId};
use crate::kernels::table::choices::{Planes, Quantized, Reduce, X};
use crate::kernels::table::{
    matmul, matmul_dot, matmul_tile, matvec, matvec_dot, matvec_dot_post, matvec_few, matvec_post, matvec_rows,
};
use crate::quant::TensorType;

/// A matrix product, as far as the speed of its kernels goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Product {
    /// How the weights are stored.
    pub kind: TensorType,
    /// Rows of the weight part.
    pub n: u32,
    /// Length of a row of weights.
    pub k: u32,
    /// Rows of activations.
    pub rows: u32,
    /// Whether it is recorded with what surrounds it in a layer: by a matrix-vector kernel.
    pub fused: bool,
    /// Whether it adds the norm of the projection before it to its input first: see `shaders/product/matvec_post.wgsl`.
    pub post: bool,
}

/// A kernel for a product, and how it goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Threads share a row of weights.
    Shared {
        /// How their sums come together.
        reduce: Reduce,
        /// How many share a row: 16, 64 or 128.
        lanes: u32,
    },
    /// So do these, for a few rows of activations at a time.
    Few {
        /// How their sums come together.
        reduce: Reduce,
        /// How many share a row: 16, 64 or 128.
        lanes: u32,
    },
    /// Threads share a row of weights, and make integers of activations.
    SharedDot {
        /// How their sums come together.
        reduce: Reduce,
        /// How many share a row: 16, 64 or 128.
        lanes: u32,
        /// Bytes that an integer takes.
        planes: Planes,
    },
    /// Threads own their rows of weights.
    Owned {
        /// How they read activations.
        x: X,
    },
    /// Many rows of activations; threads own their rows of weights.
    Many {
        /// How they read activations.
        x: X,
    },
    /// Many rows, by tiles in shared memory.
    Tile {
        /// Rows of activations in a tile.
        rows: matmul_tile::Rows,
    },
    /// Many rows, by tiles, of activations that are integers.
    TileDot {
        /// Rows of activations in a tile.
        rows: matmul_dot::Rows,
        /// Bytes that an integer takes.
        planes: Planes,
    },
}

/// Which ways an adapter can go, and its user wants.
#[derive(Clone, Copy, Debug)]
pub struct Able {
    /// Lanes of the smallest subgroup; 0 without subgroups.
    pub subgroup_min: u32,
    /// As in [`Choice`](super::Choice).
    pub planes: u32,
    /// It is software, which has kernels of its own.
    pub software: bool,
}

/// Every way to a fused product, and to the others. Those whose threads share a row have a form with a norm before.
fn fused() -> impl Iterator<Item = Way> {
    let shared = || Reduce::ALL.into_iter().flat_map(|reduce| [16, 64, 128].map(|lanes| (reduce, lanes)));
    let floats = shared().map(|(reduce, lanes)| Way::Shared { reduce, lanes });
    let dots = [Planes::N2, Planes::N1]
        .into_iter()
        .flat_map(move |planes| shared().map(move |(reduce, lanes)| Way::SharedDot { reduce, lanes, planes }));
    let few = shared().map(|(reduce, lanes)| Way::Few { reduce, lanes });
    floats.chain(few).chain(dots).chain(X::ALL.map(|x| Way::Owned { x }))
}

fn plain() -> impl Iterator<Item = Way> {
    let many = X::ALL.map(|x| Way::Many { x }).into_iter();
    let tiles = matmul_tile::Rows::ALL.map(|rows| Way::Tile { rows });
    let dots = [Planes::N2, Planes::N1].into_iter();
    let dots = dots.flat_map(|planes| matmul_dot::Rows::ALL.map(|rows| Way::TileDot { rows, planes }));
    many.chain(tiles).chain(dots)
}

impl Product {
    /// The ways that an adapter can go.
    pub fn ways(&self, able: Able) -> impl Iterator<Item = Way> + use<> {
        let all: Vec<Way> = if self.fused { fused().collect() } else { plain().collect() };
        let product = *self;
        let integers = if Quantized::of(self.kind).is_some() { able.planes } else { 0 };
        let has = move |way: &Way| way.planes() == 0 || integers > 0 && way.planes() >= integers;
        let suits = move |way: &Way| able.software || !way.is_for_software();
        let can = move |way: &Way| way.subgroup() <= able.subgroup_min && has(way) && suits(way) && way.fits(&product);
        all.into_iter().filter(can)
    }
}

impl Way {
    /// Planes of bytes that activations become; 0: they stay floats.
    pub fn planes(self) -> u32 {
        match self {
            Way::SharedDot { planes, .. } | Way::TileDot { planes, .. } => planes.value(),
            Way::Shared { .. } | Way::Few { .. } | Way::Owned { .. } | Way::Many { .. } | Way::Tile { .. } => 0,
        }
    }

    /// Threads that share a row of weights; 0 where that is not a choice.
    pub fn lanes(self) -> u32 {
        match self {
            Way::Shared { lanes, .. } | Way::Few { lanes, .. } | Way::SharedDot { lanes, .. } => lanes,
            Way::Owned { .. } | Way::Many { .. } | Way::Tile { .. } | Way::TileDot { .. } => 0,
        }
    }

    /// Lanes that subgroups must have; 0: none are needed.
    fn subgroup(self) -> u32 {
        match self {
            Way::Shared { reduce, .. } | Way::Few { reduce, .. } | Way::SharedDot { reduce, .. } => match reduce {
                Reduce::Tree => 0,
                Reduce::Subgroup => 4,
            },
            Way::Owned { x } | Way::Many { x } => match x {
                X::Direct => 0,
                X::Quad => 4,
                X::Octet => 8,
            },
            Way::Tile { .. } | Way::TileDot { .. } => 0,
        }
    }

    /// Its threads load what is far apart: no graphics card gains by it.
    fn is_for_software(self) -> bool {
        matches!(self, Way::Owned { .. } | Way::Many { .. })
    }

    /// Whether there is a variant for this product, and work for its threads: weights that are floats or codes have no
    /// integer products, not every kernel adds a norm first, and of many threads each wants a block of a row.
    pub fn fits(&self, product: &Product) -> bool {
        if self.lanes() > 64 && self.lanes() * 32 > product.k {
            return false;
        }
        match self {
            Way::Owned { .. } => !product.post,
            Way::Few { .. } => !product.post && product.rows > 1,
            Way::SharedDot { .. } | Way::TileDot { .. } => Quantized::of(product.kind).is_some(),
            Way::Shared { .. } | Way::Many { .. } | Way::Tile { .. } => true,
        }
    }

    /// The variant that computes this product; `None` where there is none.
    pub fn variant(&self, product: &Product) -> Option<VariantId> {
        match (product.fused, product.post) {
            (true, false) => self.single(product).map(|variant| variant.id),
            (true, true) => self.post(product.kind).map(|variant| variant.id),
            (false, _) => self.many(product.kind).map(|variant| variant.id),
        }
    }

    /// Its kernel for single rows, and for a few.
    pub fn single(&self, product: &Product) -> Option<Chosen<matvec::Params, matvec::Bind>> {
        let format = product.kind;
        Some(match *self {
            Way::Shared { reduce, .. } => matvec::Variant { format, reduce }.into(),
            Way::Few { reduce, .. } => {
                let rows = matvec_few::Rows::of(self.at_once(product))?;
                matvec_few::Variant { format, reduce, rows }.into()
            }
            Way::SharedDot { reduce, planes, .. } => {
                matvec_dot::Variant { format: Quantized::of(format)?, reduce, planes }.into()
            }
            Way::Owned { x } => {
                let rows = matvec_rows::Rows::of(self.at_once(product))?;
                matvec_rows::Variant { format, x, rows }.into()
            }
            Way::Many { .. } | Way::Tile { .. } | Way::TileDot { .. } => return None,
        })
    }

    /// Its kernel for single rows to which a norm is added first.
    pub fn post(&self, format: TensorType) -> Option<Chosen<matvec_post::Params, matvec_post::Bind>> {
        Some(match *self {
            Way::Shared { reduce, .. } => matvec_post::Variant { format, reduce }.into(),
            Way::SharedDot { reduce, planes, .. } => {
                matvec_dot_post::Variant { format: Quantized::of(format)?, reduce, planes }.into()
            }
            Way::Few { .. } | Way::Owned { .. } | Way::Many { .. } | Way::Tile { .. } | Way::TileDot { .. } => {
                return None;
            }
        })
    }

    /// Its kernel for many rows.
    pub fn many(&self, format: TensorType) -> Option<Chosen<matmul::Params, matmul::Bind>> {
        Some(match *self {
            Way::Many { x } => matmul::Variant { format, x }.into(),
            Way::Tile { rows } => matmul_tile::Variant { format, rows }.into(),
            Way::TileDot { rows, planes } => {
                matmul_dot::Variant { format: Quantized::of(format)?, rows, planes }.into()
            }
            Way::Shared { .. } | Way::Few { .. } | Way::SharedDot { .. } | Way::Owned { .. } => return None,
        })
    }

    /// Whether both give the same sums, to the last bit.
    pub fn sums_as(&self, other: &Way) -> bool {
        self.planes() == other.planes() && std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Whether both share their work out alike.
    pub fn works_as(&self, other: &Way) -> bool {
        self.lanes() == other.lanes() && std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// A way to the same sums, for fewer rows: all tiles compute the same, but few rows would leave most of a larger
    /// one idle.
    pub fn with_rows(self, rows: u32) -> Way {
        let usual = match self {
            Way::Tile { .. } => Way::tile(rows),
            Way::TileDot { planes, .. } => Way::tile_dot(rows, planes),
            way => way,
        };
        // A tile that was the quickest of many rows is not too small for fewer.
        if usual.tile_rows() < self.tile_rows() { usual } else { self }
    }

    fn tile_rows(self) -> u32 {
        match self {
            Way::Tile { rows } => rows.value(),
            Way::TileDot { rows, .. } => rows.value(),
            Way::Shared { .. } | Way::Few { .. } | Way::SharedDot { .. } | Way::Owned { .. } | Way::Many { .. } => 0,
        }
    }

    /// The usual tile for so many rows.
    pub(super) fn tile(rows: u32) -> Way {
        Way::Tile { rows: if rows <= 32 { matmul_tile::Rows::N32 } else { matmul_tile::Rows::N64 } }
    }

    fn tile_dot(rows: u32, planes: Planes) -> Way {
        Way::TileDot { rows: if rows <= 32 { matmul_dot::Rows::N32 } else { matmul_dot::Rows::N64 }, planes }
    }

    /// Rows of activations that a workgroup takes at a time: for them it unpacks weights once.
    fn at_once(self, product: &Product) -> u32 {
        match self {
            Way::Few { .. } | Way::Owned { .. } => product.rows.next_power_of_two().min(4),
            Way::Shared { .. } | Way::SharedDot { .. } => 1,
            Way::Many { .. } => 16,
            Way::Tile { rows } => rows.value(),
            Way::TileDot { rows, .. } => rows.value(),
        }
    }

    /// Workgroups. Those beside each other take the same weights.
    pub fn grid(&self, product: &Product) -> [u32; 2] {
        // What the shaders say of their grids. A workgroup's threads sum four rows of weights each, or two or eight.
        let weights = match self {
            Way::Shared { lanes, .. } | Way::Few { lanes, .. } => 4 * matvec::THREADS / lanes,
            Way::SharedDot { lanes, .. } => 2 * matvec_dot::THREADS / lanes,
            Way::Owned { .. } => 4 * matvec_rows::THREADS,
            Way::Many { .. } => 8 * matmul::THREADS,
            Way::Tile { .. } | Way::TileDot { .. } => 64,
        };
        [product.rows.div_ceil(self.at_once(product)), product.n.div_ceil(weights)]
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub const ALL: Able = Able { subgroup_min: u32::MAX, planes: 1, software: true };

    #[test]
    fn a_tile_for_every_row() {
        for way in plain() {
            let tile = match way {
                Way::Tile { rows } => rows.value(),
                Way::TileDot { rows, .. } => rows.value(),
                _ => continue,
            };
            for rows in [1, 5, 32, 33, 64, 65, 128, 129, 256] {
                let product = Product { kind: TensorType::Q6_K, n: 65, k: 64, rows, fused: false, post: false };
                let [x, y] = way.grid(&product);
                assert!(x * tile >= rows && (x - 1) * tile < rows && y == 2, "{way:?} for {rows} rows: {x} by {y}");
            }
        }
    }

    #[test]
    fn every_way_is_a_variant() {
        for (fused, post, count) in [(true, false, 21), (true, true, 18), (false, false, 10)] {
            let product = Product { kind: TensorType::Q6_K, n: 1, k: 4096, rows: 1, fused, post };
            assert!(product.ways(ALL).all(|way| way.variant(&product).is_some()));
            assert_eq!(product.ways(ALL).count(), count);
            assert!(Product { k: 4064, ..product }.ways(ALL).all(|way| way.lanes() <= 64));
            let floats = Product { kind: TensorType::F16, ..product };
            assert!(floats.ways(ALL).all(|way| way.planes() == 0 && way.variant(&floats).is_some()));
        }
    }
}
