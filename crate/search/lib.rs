//! The rows that are most like a query: every one is multiplied, so the result is exact.
//!
//! In a page this is a wasm module whose memory its caller lays out (`www/pieces/search/vectors.ts`): it allocates nothing.
#![cfg_attr(target_arch = "wasm32", no_std)]

/// Floats that are multiplied at a time; rows are padded with zeros to a multiple of it.
pub const STEP: usize = 16;

/// A row and its product with the query.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Found {
    /// Its index.
    pub row: u32,
    /// The product.
    pub score: f32,
}

/// The sum of products of two vectors, of a multiple of [`STEP`] floats each.
fn product(a: &[f32], b: &[f32]) -> f32 {
    // Sums that do not wait for each other, as many as the processor has room for.
    let mut sums = [0.0f32; STEP];
    for (a, b) in a.as_chunks::<STEP>().0.iter().zip(b.as_chunks::<STEP>().0) {
        for i in 0..STEP {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum()
}

/// Writes the rows with the largest products with `query` into `best`, the largest first and of equal ones the earlier; says
/// how many there are. `rows` are of the query's length; a row whose byte of `mask` is 0 is left out, unless `mask` is empty.
pub fn search(rows: &[f32], query: &[f32], mask: &[u8], best: &mut [Found]) -> usize {
    let mut count = 0;
    for (row, values) in rows.chunks_exact(query.len().max(1)).enumerate() {
        if mask.get(row) == Some(&0) {
            continue;
        }
        let found = Found { row: row as u32, score: product(values, query) };
        let is_full = count == best.len();
        if is_full && best.last().is_none_or(|last| found.score <= last.score) {
            continue;
        }
        let at = best[..count].partition_point(|other| other.score >= found.score);
        count += usize::from(!is_full);
        best[at..count].rotate_right(1);
        best[at] = found;
    }
    count
}

/// [`search`] for a page: `count` rows of `length` floats, a mask of as many bytes or none, and room for `limit` results.
///
/// # Safety
/// What the pointers say must lie in memory, apart from each other, and floats at a multiple of four bytes.
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn search_rows(
    rows: *const f32,
    count: usize,
    length: usize,
    query: *const f32,
    mask: *const u8,
    masked: usize,
    best: *mut Found,
    limit: usize,
) -> usize {
    use core::slice::{from_raw_parts, from_raw_parts_mut};
    // SAFETY: as the caller promises.
    unsafe {
        search(
            from_raw_parts(rows, count * length),
            from_raw_parts(query, length),
            from_raw_parts(mask, masked),
            from_raw_parts_mut(best, limit),
        )
    }
}

#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that differ, and repeat.
    fn numbers(count: usize) -> Vec<f32> {
        (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 20) as f32 / 2048.0 - 1.0).collect()
    }

    #[test]
    fn the_best_are_those_of_a_sort() {
        let (length, count) = (3 * STEP, 200);
        let rows = numbers(length * count);
        let query = &numbers(length * 2)[length..];
        let mask: Vec<u8> = (0..count).map(|row| u8::from(row % 3 != 0)).collect();
        for (mask, limit) in [(&mask[..], 10), (&[], 10), (&mask, 500), (&[], 1), (&[], 0)] {
            let mut all: Vec<(usize, f64)> = rows
                .chunks_exact(length)
                .map(|row| row.iter().zip(query).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum())
                .enumerate()
                .filter(|(row, _)| mask.get(*row) != Some(&0))
                .collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            all.truncate(limit);
            let mut best = vec![Found::default(); limit];
            let found = search(&rows, query, mask, &mut best);
            assert_eq!(found, all.len());
            let close = |(found, (row, score)): (&Found, &(usize, f64))| {
                found.row == *row as u32 && (f64::from(found.score) - score).abs() < 1e-4
            };
            assert!(best[..found].iter().zip(&all).all(close), "{best:?} {all:?}");
        }
    }

    #[test]
    fn of_equal_rows_the_earlier_comes_first() {
        let rows = [1.0f32; 5 * STEP];
        let mut best = [Found::default(); 3];
        assert_eq!(search(&rows, &[0.5; STEP], &[], &mut best), 3);
        assert_eq!(best.map(|found| (found.row, found.score)), [(0, 8.0), (1, 8.0), (2, 8.0)]);
    }
}
