//! Which rows the next pass computes: numbers alone.
//!
//! Every reply that goes on has its next token in each pass. What room is left, as far as the pace allows, is for prompts,
//! the first to come the first to be read: so a reply starts as soon as it can, and nobody waits for ever.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the order of work is to serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Schedule {
    /// Nobody's next token waits long for another's prompt.
    #[default]
    Latency,
    /// All is done as soon as can be: prompts are read in whole chunks beside replies that say so too.
    Throughput,
}

/// What a request has to be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Rows, at least one.
    pub rows: usize,
    /// Whether the logits after the last are wanted.
    pub logits: bool,
    /// Whether it reads, a prompt or as much as one; else its reply goes on by a token, or a few.
    pub reads: bool,
    /// The pass in which it had rows last.
    pub served: u64,
}

/// What a pass may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Rows.
    pub rows: usize,
    /// Rows that want logits.
    pub outputs: usize,
    /// Rows that read beside replies that go on.
    pub chunk: usize,
}

/// How many rows of each request pass number `turn` computes, its first ones. The requests are given in the order in which
/// their prompts are read. Where not all replies can go on, those go on that have waited longest.
pub fn share(wants: &[Want], bounds: Bounds, turn: u64) -> Vec<usize> {
    let mut shares = vec![0; wants.len()];
    let (mut rows, mut outputs) = (bounds.rows, bounds.outputs);
    let reads = wants.iter().any(|want| want.reads);
    let mut replies: Vec<usize> = (0..wants.len()).filter(|&i| !wants[i].reads).collect();
    replies.sort_by_key(|&i| wants[i].served);
    // Where somebody reads, a row is left to him, and its logits; of one row they take turns.
    let most = bounds.rows.min(bounds.outputs);
    let most = match (reads, most) {
        (false, most) => most,
        (true, 1) => (turn % 2) as usize,
        (true, most) => most - 1,
    };
    for i in replies {
        let share = wants[i].rows.min(rows.min(bounds.rows - usize::from(reads && rows > 1)));
        if share == 0 || bounds.outputs - outputs == most {
            continue;
        }
        shares[i] = share;
        rows -= share;
        outputs -= usize::from(wants[i].logits);
    }
    let others = rows < bounds.rows;
    let mut left = if others { rows.min(bounds.chunk) } else { rows };
    for (i, want) in wants.iter().enumerate().filter(|(_, want)| want.reads) {
        let mut share = want.rows.min(left);
        if share == want.rows && want.logits {
            if outputs == 0 {
                share -= 1;
            } else {
                outputs -= 1;
            }
        }
        shares[i] = share;
        left -= share;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(rows: usize) -> Want {
        Want { rows, logits: true, reads: true, served: 0 }
    }

    fn goes_on(served: u64) -> Want {
        Want { rows: 1, logits: true, reads: false, served }
    }

    const BOUNDS: Bounds = Bounds { rows: 16, outputs: 4, chunk: 8 };

    #[test]
    fn a_prompt_alone_has_all_rows_and_what_it_leaves_is_the_next_ones() {
        assert_eq!(share(&[reads(40)], BOUNDS, 1), [16]);
        assert_eq!(share(&[reads(12), reads(40)], BOUNDS, 1), [12, 4]);
        assert_eq!(share(&[reads(16), reads(40)], BOUNDS, 1), [16, 0]);
        assert!(share(&[], BOUNDS, 1).is_empty());
    }

    #[test]
    fn replies_go_on_beside_a_chunk_of_a_prompt() {
        assert_eq!(share(&[goes_on(3), reads(40), goes_on(3)], BOUNDS, 1), [1, 8, 1]);
        assert_eq!(share(&[goes_on(3), reads(5), reads(5)], BOUNDS, 1), [1, 5, 3]);
    }

    #[test]
    fn no_pass_wants_more_logits_than_may_be() {
        let four = [reads(1), reads(2), reads(1), reads(1), reads(3)];
        assert_eq!(share(&four, Bounds { rows: 64, ..BOUNDS }, 1), [1, 2, 1, 1, 2]);
        // One is left to who reads; those who waited longest go first.
        let many = [goes_on(3), goes_on(2), goes_on(3), goes_on(1), goes_on(2), reads(3)];
        assert_eq!(share(&many, BOUNDS, 4), [0, 1, 0, 1, 1, 3]);
        assert_eq!(share(&many[..5], BOUNDS, 4), [1, 1, 0, 1, 1]);
    }

    #[test]
    fn of_one_row_both_have_their_turns() {
        let bounds = Bounds { rows: 1, outputs: 1, chunk: 1 };
        let both = [goes_on(1), reads(3)];
        assert_eq!([1, 2, 3].map(|turn| share(&both, bounds, turn)), [[1, 0], [0, 1], [1, 0]]);
    }
}
