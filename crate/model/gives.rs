//! What a network gives of a text, by what its file has: logits of the next token, or states of all of them.

use super::keys::Keys;
use crate::bail;
use crate::base::error::Result;
use crate::model::spec::{Block, Gives, Head, Mask, Mix, Net, Pooling, Scores};

const MAX_LABELS: u32 = 1 << 16;
/// Those whose classifier always reads what a pooler makes of a state.
const POOLED: [&str; 2] = ["bert", "jina-bert-v2"];

impl Keys<'_> {
    /// A network of blocks with norms behind them, as an encoder: it begins with a norm of embeddings and token types, and
    /// ends with the last block's norm.
    pub fn encoder(&self, mut net: Net) -> Net {
        let last = self.n_layers - 1;
        if let Some(name) = net.blocks.last_mut().and_then(|block| block.norms[1].take()) {
            net.output_norm = format!("blk.{last}.{name}");
        }
        let types = self.catalog.tensor("token_types.weight").map(|types| types.shape.get(1).copied().unwrap_or(1));
        net.token_types = types.and_then(|rows| u32::try_from(rows).ok());
        self.sees_all(Net { embed_norm: true, ..net })
    }

    /// A network whose tokens see those behind them too, and that gives their states.
    pub fn sees_all(&self, mut net: Net) -> Net {
        both_ways(&mut net.blocks);
        if net.gives == Gives::Logits {
            net.gives = Gives::States { pooling: Pooling::Mean, head: None, widened: None };
        }
        net
    }

    pub(super) fn is_causal(&self) -> Result<bool> {
        Ok(self.bool("attention.causal")? != Some(false))
    }

    /// Logits, unless the file says how states are pooled, or tokens see those behind them.
    pub(super) fn gives(&self) -> Result<Gives> {
        let (head, causal) = (self.head()?, self.is_causal()?);
        // As llama.cpp numbers them; -1 says nothing.
        let pooling = match self.u32("pooling_type")?.filter(|&number| number != u32::MAX) {
            // A decoder whose states are not pooled writes.
            Some(0) if causal && head.is_none() => return Ok(Gives::Logits),
            Some(0) => Pooling::None,
            Some(2) => Pooling::Cls,
            Some(3) => Pooling::Last,
            Some(4) if !head.is_some_and(|head| self.ranks_by(head)) => bail!(
                MissingTensor,
                "This {} model ranks texts, but its file lacks the classifier (cls.output.weight), or the pooler before \
                 it (cls.weight), which some converters leave out; convert it again with both",
                self.arch
            ),
            Some(4) | None if head.is_some_and(|head| head.labels().is_some()) => {
                match self.u32("classifier.pooling_type")? {
                    Some(1) => Pooling::Mean,
                    None if head.is_some_and(|head| head.norm[0]) => Pooling::Mean,
                    _ if causal => Pooling::Last,
                    _ => Pooling::Cls,
                }
            }
            None if causal => return Ok(Gives::Logits),
            Some(1) | None => Pooling::Mean,
            Some(other) => bail!(
                UnsupportedArchitecture,
                "This {} model pools states by way {other}, which is not supported",
                self.arch
            ),
        };
        Ok(Gives::States { pooling, head, widened: self.widened()? })
    }

    /// Whether this makes scores of texts, and all of it is there.
    fn ranks_by(&self, head: Head) -> bool {
        head.labels().is_some() && (head.dense[0] || !POOLED.contains(&self.arch))
    }

    /// The classifier that the file has, or what fills in masked words.
    fn head(&self) -> Result<Option<Head>> {
        let both = |name: &str| ["weight", "bias"].map(|part| self.has_tensor(&format!("{name}.{part}")));
        // A part of one without the rest is of no use: nobody claims it.
        let behind = |before: bool, [weight, bias]: [bool; 2]| [before && weight, before && weight && bias];
        let dense = behind(true, both("cls"));
        let norm = behind(dense[0], both("cls.norm"));
        let Some(output) = self.catalog.tensor("cls.output.weight") else {
            let [weight, bias] = both("output");
            return Ok(norm[0].then_some(Head { dense, norm, scores: Scores::Words { bias, tied: !weight } }));
        };
        let n_labels = output.shape.get(1).copied().unwrap_or(1);
        let Some(n_labels) = u32::try_from(n_labels).ok().filter(|n| (1..=MAX_LABELS).contains(n)) else {
            bail!(BadShape, "The classifier has {n_labels} labels, not 1 to {MAX_LABELS}; convert the file again")
        };
        let scores = Scores::Labels { count: n_labels, bias: self.has_tensor("cls.output.bias") };
        Ok(Some(Head { dense, norm, scores }))
    }

    /// The width between the two matrices that a pooled state goes through, if the file has them.
    fn widened(&self) -> Result<Option<u32>> {
        let Some(first) = self.catalog.tensor("dense_2.weight") else { return Ok(None) };
        let width = first.shape.get(1).copied().unwrap_or(1);
        let Some(width) = u32::try_from(width).ok().filter(|n| (1..=MAX_LABELS).contains(n)) else {
            bail!(BadShape, "The tensor dense_2.weight has {width} rows, not 1 to {MAX_LABELS}; convert the file again")
        };
        Ok(Some(width))
    }
}

/// Tokens that see all before them see those behind them, too.
pub(super) fn both_ways(blocks: &mut [Block]) {
    for block in blocks {
        if let Mix::Attention(attention) = &mut block.mix
            && attention.mask == Mask::Causal
        {
            attention.mask = Mask::Full;
        }
    }
}
