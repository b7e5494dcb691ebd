//! What is computed next: batches, made up of the rows that sequences still want.

use std::collections::VecDeque;

use crate::model::store::SequenceId;
use crate::run::batch::{Batch, Row};

/// Tokens of a sequence that wait to be computed.
#[derive(Debug)]
struct Waiting {
    sequence: SequenceId,
    /// Of the first of them.
    position: u32,
    tokens: VecDeque<u32>,
    /// Whether the logits after the last are wanted.
    logits: bool,
}

/// Rows that wait, the first to come the first to be computed.
#[derive(Debug)]
pub struct Schedule {
    /// Rows of the largest batch, and how many of them may want logits.
    max_rows: usize,
    max_outputs: usize,
    waiting: VecDeque<Waiting>,
}

impl Schedule {
    /// Nothing to do yet; batches of at most so many rows, and so many that want logits.
    pub fn new(max_rows: u32, max_outputs: u32) -> Self {
        Schedule { max_rows: max_rows as usize, max_outputs: max_outputs as usize, waiting: VecDeque::new() }
    }

    /// Adds tokens of a sequence, the first of which stands at `position`; `logits` says whether those after the last
    /// are wanted.
    pub fn add(&mut self, sequence: SequenceId, position: u32, tokens: &[u32], logits: bool) {
        if !tokens.is_empty() {
            let tokens = tokens.iter().copied().collect();
            self.waiting.push_back(Waiting { sequence, position, tokens, logits });
        }
    }

    /// The next batch of prefill: as many rows as fit. One sequence is finished before the next is begun, so that its
    /// reply starts as soon as it can; what its end leaves of a batch is the next one's. `None` where nothing waits.
    pub fn next_batch(&mut self) -> Option<Batch> {
        let mut batch = Batch { rows: Vec::new(), prefill: true };
        let mut outputs = 0;
        while let Some(first) = self.waiting.front_mut() {
            let ends = first.tokens.len() <= self.max_rows - batch.rows.len();
            let wants = ends && first.logits;
            if batch.rows.len() == self.max_rows || wants && outputs == self.max_outputs {
                break;
            }
            let count = first.tokens.len().min(self.max_rows - batch.rows.len());
            let (sequence, from) = (first.sequence, first.position);
            let rows = first.tokens.drain(..count).zip(from..);
            batch.rows.extend(rows.map(|(token, position)| Row { token, position, sequence, logits: false }));
            first.position += count as u32;
            if wants && let Some(last) = batch.rows.last_mut() {
                last.logits = true;
                outputs += 1;
            }
            if ends {
                self.waiting.pop_front();
            }
        }
        (!batch.rows.is_empty()).then_some(batch)
    }

    /// Nothing waits any more.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SequenceId = SequenceId(4);
    const B: SequenceId = SequenceId(2);

    /// (sequence, position, token, logits) of each row of the next batch.
    fn next(schedule: &mut Schedule) -> Option<Vec<(u32, u32, u32, bool)>> {
        let batch = schedule.next_batch()?;
        assert!(batch.prefill);
        Some(batch.rows.iter().map(|r| (r.sequence.0, r.position, r.token, r.logits)).collect())
    }

    #[test]
    fn a_prompt_is_cut_into_chunks_and_its_last_row_wants_logits() {
        let mut schedule = Schedule::new(2, 1);
        assert_eq!(next(&mut schedule), None);
        schedule.add(A, 7, &[50, 51, 52, 53, 54], true);
        schedule.add(A, 0, &[], true);
        assert_eq!(next(&mut schedule), Some(vec![(4, 7, 50, false), (4, 8, 51, false)]));
        assert_eq!(next(&mut schedule), Some(vec![(4, 9, 52, false), (4, 10, 53, false)]));
        assert_eq!(next(&mut schedule), Some(vec![(4, 11, 54, true)]));
        assert_eq!(next(&mut schedule), None);
        schedule.add(A, 0, &[1, 2], false);
        assert_eq!(next(&mut schedule), Some(vec![(4, 0, 1, false), (4, 1, 2, false)]));
        schedule.add(A, 0, &[1, 2, 3], true);
        schedule.clear();
        assert_eq!(next(&mut schedule), None);
    }

    #[test]
    fn what_one_sequence_leaves_of_a_batch_is_the_next_ones() {
        let mut schedule = Schedule::new(4, 2);
        schedule.add(A, 0, &[1, 2, 3], true);
        schedule.add(B, 5, &[6, 7, 8], true);
        assert_eq!(
            next(&mut schedule),
            Some(vec![(4, 0, 1, false), (4, 1, 2, false), (4, 2, 3, true), (2, 5, 6, false)])
        );
        assert_eq!(next(&mut schedule), Some(vec![(2, 6, 7, false), (2, 7, 8, true)]));
        assert_eq!(next(&mut schedule), None);
    }

    #[test]
    fn no_batch_wants_more_logits_than_may_be() {
        let mut schedule = Schedule::new(4, 1);
        schedule.add(A, 0, &[1], true);
        schedule.add(B, 0, &[2, 3], true);
        assert_eq!(next(&mut schedule), Some(vec![(4, 0, 1, true)]));
        assert_eq!(next(&mut schedule), Some(vec![(2, 0, 2, false), (2, 1, 3, true)]));
    }
}
