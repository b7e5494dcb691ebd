//! Whether an adapter fits a model, and where each of its pairs goes.

use super::{Patch, Spot};
use crate::bail;
use crate::base::error::Result;
use crate::file::adapter::{Adapter, Pair, is_embedding};
use crate::file::quoted;
use crate::model::blocks::Network;
use crate::model::filled::Filled;
use crate::model::place::Inside;
use crate::model::spec::Net;

/// Bytes of a file's matrix, at most: it is whole in memory before it is written.
const MOST_BYTES: u64 = 256 << 20;

/// One for each pair. `BadAdapter` names what does not fit.
pub(super) fn patches(adapter: &Adapter, net: &Net, network: &Network) -> Result<Vec<Patch>> {
    if let Some(arch) = adapter.architecture.as_ref().filter(|&arch| arch != net.arch) {
        bail!(
            BadAdapter,
            "The adapter was made for {} models, but this one is {}; take one that was made for this model",
            quoted(arch),
            net.arch
        );
    }
    if adapter.pairs.is_empty() {
        bail!(BadAdapter, "The adapter changes nothing: it has no matrices; save it again");
    }
    let pairs = adapter.pairs.iter();
    pairs.map(|pair| patch(pair, net, network).map_err(|error| of_base(error, adapter))).collect()
}

/// The error, with the model's name that the adapter was made for.
fn of_base(mut error: crate::base::error::Error, adapter: &Adapter) -> crate::base::error::Error {
    if let Some(base) = &adapter.base {
        error.message = format!("{} (It says that it was made for {}.)", error.message, quoted(base));
    }
    error
}

fn patch(pair: &Pair, net: &Net, network: &Network) -> Result<Patch> {
    let name = quoted(&pair.target);
    let spot = place(pair, net, network)?;
    let (Inside { n, piece, row, first_row, .. }, spot) = spot;
    let ([_, length], [rows, _]) = (pair.a.upright(), pair.b.upright());
    if [length, rows] != [row.length, n].map(u64::from) {
        bail!(
            BadAdapter,
            "The adapter's matrices for {name} fit one of {rows} rows of {length}, but this model's has {n} of {}; take an adapter that was made for this model",
            row.length
        );
    }
    if pair.halves && first_head(pair, net).is_none_or(|head| n % head != 0) {
        bail!(BadAdapter, "The rows of {name} are no whole heads, as they are to be rotated; take another adapter");
    }
    if let Some(half) = [&pair.a, &pair.b].into_iter().find(|half| half.bytes > MOST_BYTES) {
        bail!(
            BadAdapter,
            "The adapter's tensor {} has {} bytes, more than {MOST_BYTES}; take one of a lower rank",
            quoted(&half.name),
            half.bytes
        );
    }
    let columns = piece.place(u64::from(n)) as u32;
    Ok(Patch { spot, rank: pair.rank, row, column: first_row, columns, piece })
}

/// Length of the heads of the block that a pair belongs to.
pub(super) fn first_head(pair: &Pair, net: &Net) -> Option<u32> {
    net.blocks.get(layer(&pair.target)?)?.attention().map(|attention| attention.head_dim)
}

fn layer(target: &str) -> Option<usize> {
    target.strip_prefix("blk.")?.split_once('.')?.0.parse().ok()
}

/// Where the large matrix lies, and what it is.
fn place(pair: &Pair, net: &Net, network: &Network) -> Result<(Inside, Spot)> {
    let (target, stream) = (pair.target.as_str(), net.stream());
    let name = quoted(target);
    if is_embedding(target) {
        let row = Filled::whole(net.n_vocab);
        let inside = Inside { matrix: network.embeddings.tokens, first_row: 0, n: net.n_embd, piece: stream, row };
        return Ok((inside, Spot::Embedding));
    }
    if target == "output.weight" {
        let Some(output) = network.output else {
            bail!(
                BadAdapter,
                "The adapter changes the output matrix, but this model gives no logits; take another adapter"
            );
        };
        let piece = Filled::whole(net.n_vocab);
        let inside = Inside { matrix: output.matrix, first_row: 0, n: net.n_vocab, piece, row: stream };
        return Ok((inside, Spot::Head));
    }
    if let Some(inside) = network.weights.inside(target) {
        return Ok((inside, Spot::Matrix(inside.matrix)));
    }
    let layers = net.blocks.len();
    match layer(target) {
        Some(layer) if layer >= layers => bail!(
            BadAdapter,
            "The adapter changes layer {layer} ({name}), but this model's {layers} layers end at {}; take an adapter that was made for this model",
            layers - 1
        ),
        _ if target.contains("_exps.") => bail!(
            BadAdapter,
            "The adapter changes {name}, a tensor of experts, which cannot be adapted yet; take an adapter without"
        ),
        _ => bail!(
            BadAdapter,
            "The adapter changes {name}, which this {} model does not have; take an adapter that was made for this model",
            net.arch
        ),
    }
}
