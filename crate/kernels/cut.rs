//! A product, cut to some rows of its weights: enough to tell whether a kernel computes rightly, without all of a matrix.

use bytemuck::Pod;

use super::face::VariantId;
use super::table::{KernelId, embed, matmul, matvec};
use crate::quant::{TensorType, UNIT, plane_offsets, planes};

/// Rows of weights that are enough.
const ENOUGH: u32 = 64;
/// Rows of activations: more than the smallest tile has.
const ENOUGH_ROWS: u32 = 40;

/// What is left of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Its uniforms.
    pub params: Vec<u8>,
    /// Bytes of the buffer of weights, (first, count), and where they go in one that has them alone.
    pub pieces: Vec<(u64, u64, u64)>,
    /// Bytes of that one.
    pub bytes: u64,
}

/// Binding 0 of these is their weights.
pub fn reads_weights(variant: VariantId) -> bool {
    kind(variant).is_some()
}

/// The type of a variant's weights, the first of its choices.
fn kind(variant: VariantId) -> Option<TensorType> {
    let name = variant.name().split('.').nth(1)?;
    TensorType::FORMATS.iter().copied().find(|kind| kind.name().eq_ignore_ascii_case(name))
}

/// The first rows of a dispatch's weights; `None` where it has too few to cut, or is of a kernel whose rows are not alike.
pub fn cut(variant: VariantId, params: &[u8]) -> Option<Cut> {
    let kind = kind(variant)?;
    let weights = |planes, k_blocks: u32, n, halves| Weights { kind, planes, k: u64::from(k_blocks) * 32, n, halves };
    match variant.kernel().id {
        KernelId::Matvec
        | KernelId::MatvecFew
        | KernelId::MatvecRows
        | KernelId::MatvecDot
        | KernelId::MatvecPost
        | KernelId::MatvecDotPost => {
            let p: matvec::Params = read(params);
            weights(p.planes, p.k_blocks, p.n, p.glu != 0)
                .cut(|planes, n| bytes(&matvec::Params { planes, n, ..p }, params))
        }
        KernelId::Matmul | KernelId::MatmulTile | KernelId::MatmulDot => {
            let p: matmul::Params = read(params);
            let m = p.m.min(ENOUGH_ROWS);
            weights(p.planes, p.k_blocks, p.n, false)
                .cut(|planes, n| bytes(&matmul::Params { planes, n, m, ..p }, params))
        }
        KernelId::Embed => {
            let p: embed::Params = read(params);
            weights(p.planes, p.k_blocks, p.n_rows, false)
                .cut(|planes, n_rows| bytes(&embed::Params { planes, n_rows, ..p }, params))
        }
        _ => None,
    }
}

fn read<P: Pod>(params: &[u8]) -> P {
    bytemuck::pod_read_unaligned(&params[..size_of::<P>()])
}

fn bytes<P: Pod>(params: &P, like: &[u8]) -> Vec<u8> {
    let mut bytes = bytemuck::bytes_of(params).to_vec();
    bytes.resize(like.len(), 0);
    bytes
}

struct Weights {
    kind: TensorType,
    planes: [u32; 4],
    k: u64,
    n: u32,
    /// The second half of the rows is read beside the first.
    halves: bool,
}

impl Weights {
    fn cut(self, params: impl FnOnce([u32; 4], u32) -> Vec<u8>) -> Option<Cut> {
        if self.n <= ENOUGH {
            return None;
        }
        let half = u64::from(ENOUGH / 2);
        let second = if self.halves { u64::from(self.n / 2) } else { half };
        let (offsets, size) = plane_offsets(self.kind, u64::from(ENOUGH) * self.k);
        let mut pieces = Vec::new();
        for ((plane, &from), &to) in planes(self.kind).iter().zip(&self.planes).zip(&offsets) {
            // Rows may end inside a unit, but never inside a block.
            let row = self.k * plane.bytes_per_unit as u64 / UNIT as u64;
            let start = 4 * u64::from(from);
            pieces.push((start, half * row, to));
            pieces.push((start + second * row, half * row, to + half * row));
        }
        let whole = pieces.iter().all(|(first, count, _)| first % 4 == 0 && count % 4 == 0);
        let mut words = [0; 4];
        words.iter_mut().zip(&offsets).for_each(|(word, offset)| *word = (offset / 4) as u32);
        whole.then(|| Cut { params: params(words, ENOUGH), pieces, bytes: size })
    }
}
