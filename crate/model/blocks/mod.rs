//! A network's weights, and its blocks as dispatches. A file a kind of part holds both: what tensors it declares, and how
//! it is recorded.

mod adapt;
mod attention;
mod beside;
mod conv;
mod delta;
mod experts;
mod feed;
mod latent;
mod layer_embedding;
mod mamba;
mod mamba2;
mod merged;
mod mix;
mod norm;
mod pass;
mod product;

use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::memory::Memory;
use crate::file::Catalog;
use crate::kernels::table::fill_up;
use crate::model::head;
use crate::model::place::{MatrixId, Placement, Tensors, Weights};
use crate::model::spec::{Block, Feed, Gives, Head, Join, Mix, Net, RopeFactors, Scores};

use norm::How;

pub use attention::neox;
pub use layer_embedding::FileRows;
pub use merged::Merged;
pub use norm::Norm;
pub use pass::{Ends, Mixture, Pass, Places, Recorded, Shape, Splits};

/// The weights of a network, and which is which.
pub struct Network {
    pub weights: Weights,
    pub embeddings: Embeddings,
    pub layers: Vec<Layer>,
    pub output_norm: Norm,
    /// `None`: the normed stream is what is wanted.
    pub output: Option<Output>,
    /// What makes logits of masked words, where the network has a head for them.
    pub words: Option<Output>,
}

/// What the stream begins with.
pub struct Embeddings {
    /// [n_vocab][n_embd]
    pub tokens: MatrixId,
    /// [learned positions][n_embd]
    pub positions: Option<MatrixId>,
    /// [token types][n_embd]
    pub types: Option<MatrixId>,
    pub norm: Option<Norm>,
    /// Each layer's own.
    pub layers: Option<layer_embedding::Tables>,
}

/// What makes logits.
#[derive(Clone, Copy)]
pub struct Output {
    /// [n_vocab][n_embd]; the embedding itself where it is tied.
    pub matrix: MatrixId,
    /// [n_vocab]
    pub bias: Option<BufferId>,
}

impl Network {
    /// Declares every tensor, and says where the file's bytes go. Batches have at most `max_rows`.
    ///
    /// Errors: `MissingTensor`, `BadShape`, `UnsupportedArchitecture` (tensors that nothing declares), and as `memory`
    /// fails.
    pub fn place(
        catalog: &Catalog,
        net: &Net,
        max_rows: u32,
        memory: &mut dyn Memory,
    ) -> Result<(Self, Vec<Placement>)> {
        let mut t = Tensors::new(catalog, net.arch, memory);
        t.keep_experts(net.experts_kept);
        let stream = net.stream();
        let tokens = t.matrix("token_embd.weight", stream, net.n_vocab)?;
        let mut rows = |name, rows: Option<u32>| rows.map(|rows| t.matrix(name, stream, rows)).transpose();
        let positions = rows("position_embd.weight", net.learned_positions)?;
        let types = rows("token_types.weight", net.token_types)?;
        match net.rope_factors {
            None => {}
            Some(RopeFactors::One(count)) => t.host("rope_freqs.weight", [count, 1], 0)?,
            Some(RopeFactors::Two { count, .. }) => {
                t.host("rope_factors_long.weight", [count, 1], 0)?;
                t.host("rope_factors_short.weight", [count, 1], u64::from(count))?;
            }
        }
        let norms = norm::Norms::new(net, &mut t)?;
        let norm = net.embed_norm.then(|| norms.place("token_embd_norm", 1.0, &mut t)).transpose()?;
        let layers = layer_embedding::Tables::place(net, max_rows, &mut t)?;
        let embeddings = Embeddings { tokens, positions, types, norm, layers };
        let mut layers = Vec::with_capacity(net.blocks.len());
        for (block, layer) in net.blocks.iter().zip(0..) {
            t.set_layer(Some(layer));
            layers.push(Layer::place(block, &norms, &mut t)?);
        }
        t.set_layer(None);
        if catalog.metadata.u32(&format!("{}.nextn_predict_layers", net.arch))?.is_some_and(|ahead| ahead > 0) {
            t.ignore_layers_from(net.blocks.len());
        }
        let output_norm = norms.place(&net.output_norm, net.logit_scale, &mut t)?;
        let mut output = |tied: bool, bias: bool| -> Result<Option<Output>> {
            let matrix = if tied { tokens } else { t.matrix("output.weight", stream, net.n_vocab)? };
            let bias = bias.then(|| t.vector("output.bias", net.n_vocab)).transpose()?;
            Ok(Some(Output { matrix, bias }))
        };
        let (output, words) = match net.gives {
            Gives::Logits => (output(net.tied_output, net.output_bias)?, None),
            Gives::States { head: Some(Head { scores: Scores::Words { bias, tied }, .. }), .. } => {
                (None, output(tied, bias)?)
            }
            Gives::States { .. } => {
                // Such files may have it, from the model that they were trained from.
                t.ignore("output.weight");
                (None, None)
            }
        };
        head::place(net, net.rope_factors.map_or(0, RopeFactors::count) as u64, &mut t)?;
        let (weights, placements) = t.finish()?;
        Ok((Network { weights, embeddings, layers, output_norm, output, words }, placements))
    }
}

/// The weights of one block. What it does not have is `None`.
pub struct Layer {
    norm: Option<Norm>,
    mix: mix::Weights,
    mix_post_norm: Option<BufferId>,
    /// The second behind mix.
    second_norm: Option<Norm>,
    feed_norm: Option<Norm>,
    feed: feed::Weights,
    feed_post_norm: Option<BufferId>,
    behind: layer_embedding::Weights,
}

impl Layer {
    fn place(block: &Block, norms: &norm::Norms, t: &mut Tensors) -> Result<Self> {
        let stream = norms.stream;
        let norm = |t: &mut Tensors, name: Option<&str>| name.map(|name| norms.place(name, 1.0, t)).transpose();
        let post_norm = |t: &mut Tensors, name| block.post_norms.then(|| norms.place_rms(name, 1.0, t)).transpose();
        Ok(Layer {
            norm: norm(t, block.norms[0])?,
            mix: mix::Weights::place(&block.mix, stream, t)?,
            mix_post_norm: post_norm(t, "post_attention_norm")?,
            second_norm: norm(t, (block.join == Join::NormedTwice).then_some("attn_norm_2"))?,
            feed_norm: norm(t, block.norms[1])?,
            feed: feed::Weights::place(&block.feed, norms, t)?,
            feed_post_norm: post_norm(t, "post_ffw_norm")?,
            behind: layer_embedding::Weights::place(&block.behind, norms, t)?,
        })
    }
}

impl Pass<'_> {
    /// Adds block `index` to the stream.
    pub fn block(&mut self, index: usize, block: &Block, layer: &Layer) -> Result<()> {
        self.both_parts(index, block, layer)?;
        self.behind(index, &layer.behind)
    }

    fn both_parts(&mut self, index: usize, block: &Block, layer: &Layer) -> Result<()> {
        if block.join == Join::Parallel {
            return self.side_by_side(index, block, layer);
        }
        // Norms before the parts, or behind them.
        let norms = [layer.norm, layer.feed_norm];
        let (before, behind) = match block.join {
            Join::Normed | Join::NormedTwice => ([None; 2], norms),
            Join::Sequential | Join::Parallel => (norms, [None; 2]),
        };
        if !matches!(block.mix, Mix::None) {
            let input = self.read_stream(before[0])?;
            let mixed = self.mix(index, &block.mix, &layer.mix, &input)?;
            self.release(input);
            match (behind[0], layer.second_norm) {
                (Some(first), Some(second)) => self.add_normed_twice(mixed, first, second)?,
                (first, _) => {
                    self.add_mixed(mixed, layer.mix_post_norm)?;
                    first.map_or(Ok(()), |norm| self.norm_stream(norm))?;
                }
            }
        }
        if !matches!(block.feed, Feed::None) {
            let input = self.read_stream(before[1])?;
            let fed = self.feed(&block.feed, &layer.feed, &input)?;
            self.release(input);
            self.add_fed(&layer.feed, fed, layer.feed_post_norm)?;
            behind[1].map_or(Ok(()), |norm| self.norm_stream(norm))?;
        }
        Ok(())
    }

    /// Both parts read the stream as it was.
    fn side_by_side(&mut self, index: usize, block: &Block, layer: &Layer) -> Result<()> {
        let mut input = self.read_stream(layer.norm)?;
        let mixed = self.mix(index, &block.mix, &layer.mix, &input)?;
        if let Some(feed_norm) = layer.feed_norm {
            self.release(input);
            input = self.read_stream(Some(feed_norm))?;
        }
        let fed = self.feed(&block.feed, &layer.feed, &input)?;
        self.release(input);
        self.add_mixed(mixed, layer.mix_post_norm)?;
        self.add_fed(&layer.feed, fed, layer.feed_post_norm)
    }

    /// x = second(x + first(x + W y + b))
    fn add_normed_twice(&mut self, mixed: mix::Mixed, first: Norm, second: Norm) -> Result<()> {
        let (rows, width4) = (self.shape.rows, self.stream.at.width / 4);
        let sum = self.acts.take(rows, self.stream.at.width)?;
        let bind = fill_up::Bind { x: self.stream.at.id, out: sum.id };
        let grid = [width4.div_ceil(fill_up::THREADS), rows];
        let copied = fill_up::Params { length4: width4, room4: width4 };
        self.recording.push(fill_up::Variant {}, copied, bind, grid)?;
        mixed.into_iter().try_for_each(|(y, matrix, bias)| self.add_product(matrix, bias, y, sum.id))?;
        self.norm(sum.id, first, self.stream.at.id, How { add: true, ..How::default() }, rows)?;
        self.acts.free(sum);
        self.norm_stream(second)
    }
}
