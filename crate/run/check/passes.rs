//! The passes whose kernels are checked: a few tokens of a prompt, the token after them, a few side by side, and a choice of each
//! kind. Each runs whole, as what a kernel is tried on should be what it will get; what is like a dispatch that was tried is not
//! tried again.

use std::collections::HashSet;

use super::{Judge, Key, Wrong, key, trial};
use crate::base::error::Result;
use crate::device::Device;
use crate::device::memory::Memory;
use crate::device::recording::Recording;
use crate::model::store::SequenceId;
use crate::run::batch::{Batch, Row};
use crate::run::engine::Engine;
use crate::run::sampler::{Limits, Mode, SamplingParams};

/// Rows of a prompt: more than the smallest tile has.
pub const ROWS: u32 = 48;
/// Rows of a short prompt: no more than the smallest tile has.
pub const SHORT: u32 = 16;
/// Rows side by side that have kernels of their own.
pub const FEW: [u32; 2] = [2, 4];
/// Tokens are the first of the vocabulary: the first rows of an embedding are what a trial has of it.
const TOKENS: u32 = 61;

/// What is found out on the way.
struct Way<'a> {
    judge: &'a Judge,
    /// Dispatches that compute what they should.
    right: &'a mut HashSet<Key>,
}

/// Which dispatches of a pass are tried; the others only run.
#[derive(Clone, Copy, PartialEq)]
enum Which {
    /// All that differ from those before: in a layer, in the shape of a matrix.
    Different,
    /// Of kernels that none before was of.
    New,
}

impl Engine {
    /// The first kernel that is wrong, of those that are not known to be right.
    pub(super) async fn first_wrong(&mut self, judge: &Judge, right: &mut HashSet<Key>) -> Result<Option<Wrong>> {
        let mut way = Way { judge, right };
        let sizes = self.model.sizes;
        let (writes, few) = (self.check_writes().is_ok(), FEW[1]);
        let rows = ROWS.min(sizes.max_rows).min(sizes.context.saturating_sub(1 + few)).max(1);
        let room = (rows + 1 + few).min(sizes.context);
        let sequence = self.open(room)?;
        let found = self.of_sequence(&mut way, sequence, rows, writes).await;
        self.close(sequence);
        if let Some(wrong) = found? {
            return Ok(Some(wrong));
        }
        // Whole chunks of prompts may take larger tiles, short ones smaller.
        for rows in [sizes.max_rows.min(sizes.context), SHORT.min(rows)] {
            let sequence = self.open(rows)?;
            let batch = batch(sequence, 0..rows, true, |row| row + 1 == rows);
            let found = self.of_batch(&mut way, &batch, Which::New).await;
            self.close(sequence);
            if let Some(wrong) = found? {
                return Ok(Some(wrong));
            }
        }
        Ok(None)
    }

    async fn of_sequence(
        &mut self,
        way: &mut Way<'_>,
        sequence: SequenceId,
        rows: u32,
        writes: bool,
    ) -> Result<Option<Wrong>> {
        let sizes = self.model.sizes;
        let (context, outputs) = (sizes.context, sizes.max_outputs);
        // Of a model that embeds all rows may be wanted.
        let wanted = |row| row + 1 == rows || !writes && rows <= outputs;
        let mut found = self.of_batch(way, &batch(sequence, 0..rows, true, wanted), Which::Different).await?;
        if !writes || rows >= context {
            return Ok(found);
        }
        let next = batch(sequence, rows..rows + 1, false, |_| true);
        if found.is_none() {
            found = self.of_batch(way, &next, Which::Different).await?;
        }
        if found.is_none() {
            found = self.of_choices(way, rows + 1).await?;
        }
        for shape in self.decode_shapes() {
            if found.is_none() {
                found = self.of_recording(way, &self.model.record(shape)?, 1, Which::New).await?;
            }
        }
        for few in FEW.into_iter().filter(|&few| few <= outputs.min(sizes.max_rows)) {
            if found.is_none() && rows + 1 + few <= context && !self.model.kv().states.are_there() {
                let few = batch(sequence, rows + 1..rows + 1 + few, false, |_| true);
                found = self.of_batch(way, &few, Which::New).await?;
            }
        }
        Ok(found)
    }

    async fn of_batch(&mut self, way: &mut Way<'_>, batch: &Batch, which: Which) -> Result<Option<Wrong>> {
        let tokens: Vec<u32> = batch.rows.iter().map(|row| row.token).collect();
        self.bring_rows(&tokens).await?;
        self.write_rows(batch)?;
        self.device.write(self.model.outputs_buffer(), 0, bytemuck::cast_slice(&batch.outputs()));
        let shape = self.shape_of(batch);
        self.of_recording(way, &self.model.record(shape)?, shape.rows, which).await
    }

    /// One token chosen in each way, behind a pass of one row.
    async fn of_choices(&mut self, way: &mut Way<'_>, tokens: u32) -> Result<Option<Wrong>> {
        let text: Vec<u32> = (0..tokens).map(|row| token(row, self.model.net.n_vocab)).collect();
        let limits = Limits { table: 4, limit: self.model.sizes.context, ..Default::default() };
        for mode in Mode::ALL {
            let greedy = SamplingParams::default();
            let params = match mode {
                Mode::Greedy => greedy,
                Mode::Adjusted => SamplingParams { presence_penalty: 0.5, repeat_last_n: 64, ..greedy },
                Mode::Draw => SamplingParams { seed: 1, ..SamplingParams::chat() },
            };
            self.decoder.begin_row(&mut self.device, &params, &text, &limits, None)?;
            let recording = self.decoder.recordings()[mode as usize].clone();
            if let Some(wrong) = self.of_recording(way, &recording, 1, Which::Different).await? {
                return Ok(Some(wrong));
            }
        }
        Ok(None)
    }

    async fn of_recording(
        &self,
        way: &mut Way<'_>,
        recording: &Recording,
        rows: u32,
        which: Which,
    ) -> Result<Option<Wrong>> {
        let Device::Gpu(gpu) = &self.device else { return Ok(None) };
        let caches: Vec<_> = self.model.kv_buffers().iter().flat_map(|&(keys, values)| [keys, values]).collect();
        let mut pending = Recording::default();
        for dispatch in &recording.dispatches {
            let (key, variant) = (key(dispatch), dispatch.variant);
            let known = |(other, ..): &Key| *other == variant;
            let is_right = way.right.contains(&key) || which == Which::New && way.right.iter().any(known);
            pending.dispatches.push(dispatch.clone());
            if is_right {
                continue;
            }
            gpu.compiled(&pending, &self.current).await?;
            pending.dispatches.pop();
            gpu.run(&gpu.prepare(&std::mem::take(&mut pending)));
            let share = (rows, self.model.sizes.max_rows);
            let Some(trial) = trial::run(gpu, dispatch, share, &caches).await? else {
                pending.dispatches.push(dispatch.clone());
                continue;
            };
            if let Some((error, bound)) = (way.judge.0)(trial).await
                && error > bound
            {
                return Ok(Some(Wrong { variant, error }));
            }
            way.right.insert(key);
        }
        gpu.compiled(&pending, &self.current).await?;
        gpu.run(&gpu.prepare(&pending));
        Ok(None)
    }
}

fn token(row: u32, vocabulary: u32) -> u32 {
    (7 * row + 1) % TOKENS.min(vocabulary)
}

fn batch(sequence: SequenceId, positions: std::ops::Range<u32>, prefill: bool, wanted: impl Fn(u32) -> bool) -> Batch {
    let row = |position| Row { token: token(position, u32::MAX), position, sequence, logits: wanted(position) };
    Batch { rows: positions.map(row).collect(), prefill }
}
