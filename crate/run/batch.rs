//! The rows of one forward pass. Rows of several sequences may share a batch; each brings its own position.

use std::collections::{HashMap, HashSet};

use crate::bail;
use crate::base::error::Result;
use crate::kernels::recurrent::FromTo;
use crate::model::adapter::Adapters;
use crate::model::store::{SequenceId, Store};

/// One token to be processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub token: u32,
    /// From 0, in its sequence.
    pub position: u32,
    /// The text that it belongs to.
    pub sequence: SequenceId,
    /// Whether the logits after this token are wanted.
    pub logits: bool,
}

/// Tokens that are processed together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// In the order of their positions, those of a sequence.
    pub rows: Vec<Row>,
    /// Prefill batches take matrix-matrix kernels at any size, so that how a prompt is cut into chunks cannot
    /// change a result; decode batches of a few rows take matrix-vector kernels.
    pub prefill: bool,
}

impl Batch {
    /// What the kernels read: the words of each row (see [`RowWords`](crate::kernels::cell::RowWords)), then the tables of
    /// their sequences. `Disposed` where a sequence is not kept any more, `Internal` where it has no cell for a row.
    pub fn words(&self, store: &Store) -> Result<Vec<u32>> {
        let ends = self.ends();
        let mut words = Vec::with_capacity(4 * self.rows.len());
        let (mut tables, mut begins) = (Vec::new(), HashMap::new());
        for row in &self.rows {
            let sequence = store.get(row.sequence)?;
            store.check(row.sequence, row.position)?;
            let table = *begins.entry(row.sequence).or_insert_with(|| {
                let begin = self.tables() + tables.len() as u32;
                tables.extend(sequence.table(ends[&row.sequence]));
                begin
            });
            words.extend([row.token, row.position, table, ends[&row.sequence]]);
        }
        words.extend(tables);
        Ok(words)
    }

    /// The tables of layers with a window, where these have cells of their own, and the word at which they begin: each as far behind
    /// the sequence's other table. `Disposed` where a sequence is not kept any more.
    pub fn near_words(&self, store: &Store) -> Result<Option<(u32, Vec<u32>)>> {
        let Some(apart) = store.near_tables() else { return Ok(None) };
        let (ends, mut seen, mut tables) = (self.ends(), HashSet::new(), Vec::new());
        for row in self.rows.iter().filter(|row| seen.insert(row.sequence)) {
            tables.extend(store.get(row.sequence)?.near_table(ends[&row.sequence]));
        }
        Ok(Some((self.tables() + apart, tables)))
    }

    /// How many positions each sequence has after this batch.
    fn ends(&self) -> HashMap<SequenceId, u32> {
        let mut ends = HashMap::new();
        for row in &self.rows {
            let end = ends.entry(row.sequence).or_insert(0);
            *end = row.position.saturating_add(1).max(*end);
        }
        ends
    }

    /// Each sequence, and from where to where its rows are.
    pub fn spans(&self) -> Vec<(SequenceId, u32, u32)> {
        let mut spans: Vec<(SequenceId, u32, u32)> = Vec::new();
        for row in &self.rows {
            match spans.iter_mut().find(|span| span.0 == row.sequence) {
                Some(span) => (span.1, span.2) = (span.1.min(row.position), span.2.max(row.position.saturating_add(1))),
                None => spans.push((row.sequence, row.position, row.position.saturating_add(1))),
            }
        }
        spans
    }

    /// The word at which the first sequence's table begins.
    pub fn tables(&self) -> u32 {
        4 * self.rows.len() as u32
    }

    /// How much of each adapter each row wants: [rows][adapters]. `Disposed` where a sequence is not kept any more.
    pub fn gains(&self, store: &Store, adapters: &Adapters) -> Result<Vec<f32>> {
        let mut gains = Vec::with_capacity(self.rows.len() * adapters.loaded().len());
        for row in &self.rows {
            gains.extend(adapters.gains(&store.get(row.sequence)?.blend));
        }
        Ok(gains)
    }

    /// Which states each row reads and writes. `Internal` where a sequence's rows are no neighbours, or
    /// go on from a token after which no state is kept.
    pub fn from_to(&self, store: &mut Store) -> Result<Vec<FromTo>> {
        let mut words = Vec::with_capacity(self.rows.len());
        let mut seen = HashSet::new();
        for rows in self.rows.chunk_by(|a, b| a.sequence == b.sequence) {
            let (id, first) = (rows[0].sequence, rows[0].position);
            if !seen.insert(id) || (first..).zip(rows).any(|(position, row)| row.position != position) {
                bail!(Internal, "The rows of a sequence that has a state are no neighbours.");
            }
            words.extend(store.from_to(id, first, rows.len() as u32)?);
        }
        Ok(words)
    }

    /// Whether each sequence's rows begin with its first: what models want whose tokens see those after them.
    pub fn is_whole(&self) -> bool {
        let begins: HashSet<SequenceId> =
            self.rows.iter().filter(|row| row.position == 0).map(|row| row.sequence).collect();
        self.rows.iter().all(|row| begins.contains(&row.sequence))
    }

    /// Indices of the rows whose logits are wanted.
    pub fn outputs(&self) -> Vec<u32> {
        (0..).zip(&self.rows).filter(|(_, row)| row.logits).map(|(i, _)| i).collect()
    }
}
