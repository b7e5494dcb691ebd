//! The batches of cases that read or write cells: rows, and the tables of their sequences.

use sotto::kernels::cell::BLOCK;

/// The cell of a position of the sequence that a case says begins at `first`: between each two of its blocks is one that is not
/// its own, so that nothing may take them for neighbours.
pub fn place(first: u32, position: u32) -> u32 {
    2 * first + 2 * BLOCK * (position / BLOCK) + position % BLOCK
}

/// The words of these rows, whose third is their sequence's beginning, and of tables that go on to position `reach`.
pub fn apart(rows: &[[u32; 4]], reach: u32) -> Vec<u32> {
    words(rows, reach, place)
}

/// The same where the cells of a sequence are neighbours.
pub fn beside(rows: &[[u32; 4]], reach: u32) -> Vec<u32> {
    words(rows, reach, |first, position| first + position)
}

fn words(rows: &[[u32; 4]], reach: u32, place: impl Fn(u32, u32) -> u32) -> Vec<u32> {
    let mut begins: Vec<u32> = rows.iter().map(|row| row[2]).collect();
    begins.sort_unstable();
    begins.dedup();
    let each = reach / BLOCK + 1;
    let index = |first: u32| begins.iter().position(|&begin| begin == first).unwrap_or(0) as u32;
    let table = |first: u32| 4 * rows.len() as u32 + each * index(first);
    let mut words: Vec<u32> = rows.iter().flat_map(|&[id, at, first, end]| [id, at, table(first), end]).collect();
    words.extend(
        begins.iter().flat_map(|&first| (0..each).map(move |block| (first, block))).map(|(f, b)| place(f, BLOCK * b)),
    );
    // Kernels read vectors of four.
    words.resize(words.len().next_multiple_of(4), u32::MAX / 2);
    words
}
