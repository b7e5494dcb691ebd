//! How much the columns of a model's matrices count, by a text: the mean of the squares of what they are multiplied by, over the
//! text's tokens. It is what llama.cpp's program `imatrix` gathers, and what quantising takes as importance.

use std::collections::HashMap;
use std::ops::Range;

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::cancel::Cancel;
use crate::base::error::Result;
use crate::device::Backend;
use crate::device::recording::Recording;
use crate::file::importance::Importance;
use crate::model::place::MatrixId;
use crate::model::store::SequenceId;
use crate::run::batch::{Batch, Row};
use crate::run::engine::Engine;
use crate::text::tokenizer::EncodeOptions;

/// Tokens that are read with each other in mind, at most: as many as llama-imatrix takes unless told.
pub const CHUNK: u32 = 512;

/// What a text said of a model.
#[derive(Debug)]
pub struct Calibration {
    /// Of the matrices of blocks, experts left out, by the names of their tensors.
    pub importance: Importance,
    /// Those that were read.
    pub tokens: usize,
}

/// Squares of the columns of one matrix's inputs, summed, and of how many rows.
#[derive(Default)]
struct Sums {
    squares: Vec<f64>,
    rows: usize,
}

/// Reads a text by pieces of [`CHUNK`] tokens, each for itself; `told` hears how many tokens of how many were read.
///
/// Errors: `BadOption` where the model writes no text, is not on the CPU, or has experts in its file, and for a text of no token.
pub async fn calibrate(engine: &mut Engine, text: &str, told: &mut dyn FnMut(usize, usize)) -> Result<Calibration> {
    engine.check_writes()?;
    // On GPUs the input of a product may be in integers.
    if engine.device.backend() != Backend::Cpu || !engine.model.weights().kept().is_empty() {
        bail!(BadOption, "An importance is gathered on the CPU, with all of the model in memory; load it so.");
    }
    let tokens = engine.tokenizer.encode(text, EncodeOptions { add_special: true, parse_special: true })?;
    let begins = engine.tokenizer.bos().filter(|bos| tokens.first() == Some(bos));
    let chunk = engine.model.sizes.context.min(CHUNK) as usize;
    let mut sums = HashMap::new();
    for (i, piece) in tokens.chunks(chunk).enumerate() {
        let mut piece = piece.to_vec();
        // As llama-imatrix has it: what a text begins with takes the place of a token.
        if let Some(bos) = begins {
            piece[0] = bos;
        }
        let sequence = engine.open(piece.len() as u32)?;
        let read = self::piece(engine, sequence, &piece, &mut sums).await;
        engine.close(sequence);
        read?;
        told(i * chunk + piece.len(), tokens.len());
    }
    let importance = by_name(engine, &sums);
    if importance.is_empty() {
        bail!(BadOption, "The text has no token; give a longer one.");
    }
    Ok(Calibration { importance, tokens: tokens.len() })
}

/// Tokens of one sequence, a batch after the other.
async fn piece(
    engine: &mut Engine,
    sequence: SequenceId,
    tokens: &[u32],
    sums: &mut HashMap<MatrixId, Sums>,
) -> Result<()> {
    let step = engine.model.sizes.max_rows as usize;
    for (some, first) in tokens.chunks(step).zip((0usize..).step_by(step)) {
        let row = |(&token, position)| Row { token, position: position as u32, sequence, logits: false };
        let batch = Batch { rows: some.iter().zip(first..).map(row).collect(), prefill: true };
        let cancel = engine.begin();
        let shape = engine.load(&batch).await?;
        let (recording, products) = engine.model.record_products(shape)?;
        let mut from = 0;
        for (_, index) in products {
            run(engine, &recording, from..index, &cancel).await?;
            from = index;
            add(engine, &recording.dispatches[index].buffers, some.len(), sums).await?;
        }
        run(engine, &recording, from..recording.dispatches.len(), &cancel).await?;
    }
    Ok(())
}

async fn run(engine: &mut Engine, all: &Recording, range: Range<usize>, cancel: &Cancel) -> Result<()> {
    let part = Recording { dispatches: all.dispatches[range].to_vec() };
    let prepared = engine.device.prepare(&part, cancel).await?;
    engine.device.run(&prepared, cancel).await
}

/// Adds what a product is about to read, of which these are the buffers.
async fn add(engine: &Engine, buffers: &[BufferId], rows: usize, sums: &mut HashMap<MatrixId, Sums>) -> Result<()> {
    // Kernels bind weights more than once, before what these multiply.
    let Some(&weights) = buffers.first() else { return Ok(()) };
    let Some(&x) = buffers.iter().find(|buffer| **buffer != weights) else { return Ok(()) };
    // Of a matrix in parts the first stands for all.
    let Some((id, k)) = engine.model.weights().begins_in(weights) else { return Ok(()) };
    let bytes = engine.device.read(x, 4 * rows as u64 * u64::from(k)).await?;
    let sum = sums.entry(id).or_default();
    sum.squares.resize(k as usize, 0.0);
    sum.rows += rows;
    for row in bytes.chunks_exact(4 * k as usize) {
        for (sum, x) in sum.squares.iter_mut().zip(row.as_chunks().0) {
            *sum += f64::from(f32::from_le_bytes(*x)).powi(2);
        }
    }
    Ok(())
}

fn by_name(engine: &Engine, sums: &HashMap<MatrixId, Sums>) -> Importance {
    let tensors = engine.model.weights().tensors();
    let found = tensors.filter_map(|(name, inside)| {
        // Rows that were filled up are those of no matrix that is quantised.
        let sum = sums.get(&inside.matrix).filter(|sum| sum.squares.len() == inside.row.length as usize)?;
        let mean = |square: &f64| (square / sum.rows as f64) as f32;
        Some((name.to_string(), sum.squares.iter().map(mean).collect()))
    });
    found.collect()
}
