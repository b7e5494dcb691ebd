//! A network's weights, and its blocks as dispatches. A file a kind of part holds both: what tensors it declares, and how
//! it is recorded.

mod attention;
mod feed;
mod pass;
mod product;

use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::memory::Memory;
use crate::file::Catalog;
use crate::model::place::{MatrixId, Placement, Tensors, Weights};
use crate::model::spec::{Block, Join, Net};

pub use pass::{Ends, Pass, Places, Recorded, Shape};

/// The weights of a network, and which is which.
pub struct Network {
    pub weights: Weights,
    /// [n_vocab][n_embd]
    pub embedding: MatrixId,
    pub layers: Vec<Layer>,
    /// [n_embd]
    pub output_norm: BufferId,
    /// [n_vocab][n_embd]; the embedding itself where it is tied.
    pub output: MatrixId,
}

impl Network {
    /// Declares every tensor, and says where the file's bytes go.
    ///
    /// Errors: `MissingTensor`, `BadShape`, `UnsupportedArchitecture` (tensors that nothing declares), and as `memory`
    /// fails.
    pub fn place(catalog: &Catalog, net: &Net, memory: &mut dyn Memory) -> Result<(Self, Vec<Placement>)> {
        let mut t = Tensors::new(catalog, net.arch, memory);
        let embedding = t.matrix("token_embd.weight", net.n_embd, net.n_vocab)?;
        if let Some(count) = net.rope_factors {
            t.host("rope_freqs.weight", count)?;
        }
        let mut layers = Vec::with_capacity(net.blocks.len());
        for (block, layer) in net.blocks.iter().zip(0..) {
            t.set_layer(Some(layer));
            layers.push(Layer::place(block, net.n_embd, &mut t)?);
        }
        t.set_layer(None);
        let output_norm = t.vector("output_norm.weight", net.n_embd)?;
        let output = if net.tied_output { embedding } else { t.matrix("output.weight", net.n_embd, net.n_vocab)? };
        let (weights, placements) = t.finish()?;
        Ok((Network { weights, embedding, layers, output_norm, output }, placements))
    }
}

/// The weights of one block. What it does not have is `None`.
pub struct Layer {
    norm: BufferId,
    attention: attention::Weights,
    attention_post_norm: Option<BufferId>,
    /// Without one the feed reads what attention reads.
    feed_norm: Option<BufferId>,
    feed: feed::Weights,
    feed_post_norm: Option<BufferId>,
}

impl Layer {
    fn place(block: &Block, n_embd: u32, t: &mut Tensors) -> Result<Self> {
        let norm = |t: &mut Tensors, wanted: bool, name| wanted.then(|| t.vector(name, n_embd)).transpose();
        Ok(Layer {
            norm: t.vector("attn_norm.weight", n_embd)?,
            attention: attention::Weights::place(block.attention(), n_embd, t)?,
            attention_post_norm: norm(t, block.post_norms, "post_attention_norm.weight")?,
            feed_norm: norm(t, block.join == Join::Sequential, "ffn_norm.weight")?,
            feed: feed::Weights::place(block.dense(), n_embd, t)?,
            feed_post_norm: norm(t, block.post_norms, "post_ffw_norm.weight")?,
        })
    }
}

impl Pass<'_> {
    /// Adds block `index` to the stream.
    pub fn block(&mut self, index: usize, block: &Block, layer: &Layer) -> Result<()> {
        let input = self.read_stream(layer.norm)?;
        let attended = self.attention(index, block.attention(), &layer.attention, &input)?;
        match layer.feed_norm {
            Some(feed_norm) => {
                self.release(input);
                self.add(layer.attention.output, attended, layer.attention_post_norm)?;
                let input = self.read_stream(feed_norm)?;
                let fed = self.feed(block.dense(), &layer.feed, &input)?;
                self.release(input);
                self.add(layer.feed.down, fed, layer.feed_post_norm)
            }
            // Both read the stream as it was.
            None => {
                let fed = self.feed(block.dense(), &layer.feed, &input)?;
                self.release(input);
                self.add(layer.attention.output, attended, layer.attention_post_norm)?;
                self.add(layer.feed.down, fed, layer.feed_post_norm)
            }
        }
    }
}
