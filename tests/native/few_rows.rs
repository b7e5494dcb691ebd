//! A few tokens decoded side by side: kernels that unpack weights once for them, and each row as if it were alone.

use sotto::kernels::choose::SingleRow;
use sotto::model::forward::Shape;
use sotto::model::store::SequenceId;
use sotto::run::batch::{Batch, Row};
use whole_models::described::CEILING_F32;

use crate::common::run::{largest_difference, rows};
use crate::common::twin::{Layout, Twin};
use crate::forward::{choices, file, tiny_golden};

/// What follows the prompt of the sequence.
fn next(prompt: &[u32], sequence: u32) -> Row {
    let (token, position) = (prompt[sequence as usize], prompt.len() as u32 - sequence);
    Row { token, position, sequence: SequenceId(sequence), logits: true }
}

#[test]
fn each_row_is_as_if_it_were_alone() {
    for (name, most) in [("llama-mixed", 4), ("gemma3-mixed", 2)] {
        let prompt = tiny_golden(name).prompt;
        for choice in choices().into_iter().filter(|choice| choice.planes.is_none()) {
            let mut twin = Twin::new(&file(name), Layout { choice, n_sequences: most, ..Default::default() });
            // Each a token shorter than the one before.
            for sequence in 0..most {
                let read = &prompt[..prompt.len() - sequence as usize];
                twin.forward(&Batch { rows: rows(read, 0, sequence, |_| false), prefill: true });
            }
            let mut decode = |sequences: std::ops::Range<u32>| {
                let rows = sequences.map(|sequence| next(&prompt, sequence)).collect();
                twin.forward(&Batch { rows, prefill: false })
            };
            let alone: Vec<f32> = (0..most).flat_map(|sequence| decode(sequence..sequence + 1)).collect();
            for count in 2..=most {
                let beside = decode(0..count);
                // A row of its own takes another attention kernel.
                let error = largest_difference(&beside, &alone[..beside.len()]);
                assert!(error < CEILING_F32, "{name}, {count} rows: {error:.1e}, {choice:?}");
            }
        }
    }
}

#[test]
fn weights_are_unpacked_once_for_four_rows() {
    for choice in choices() {
        let twin = Twin::new(&file("gemma3-mixed"), Layout { choice, ..Default::default() });
        for (rows, at_once) in [(1, 1), (2, 2), (3, 4), (4, 4)] {
            let recording = twin.model.record(Shape::new(rows, rows, false, 9)).expect("a recording");
            let products = recording.dispatches.iter().filter(|d| d.variant.name().starts_with("matvec"));
            let products: Vec<(&str, [u32; 3])> = products.map(|d| (d.variant.name(), d.grid)).collect();
            // Of each layer what makes Q, K and V, what attention gives, and what the feed-forward takes and gives; the logits.
            assert!(products.len() > 4 * twin.model.net.blocks.len(), "{products:?}");
            for (name, grid) in products {
                let of_few = name.ends_with(&format!(".rows{at_once}"));
                let (wanted, groups) = match choice.single {
                    SingleRow::Owned(_) => (of_few, 1),
                    SingleRow::Shared => (of_few || rows == 1 && !name.contains("few"), 1),
                    // Those that make integers take a row each, beside each other.
                    SingleRow::SharedDot => (!name.contains("rows"), rows),
                };
                assert!(wanted && grid[0] == groups, "{rows} rows: {name}, {grid:?}");
            }
        }
    }
}
