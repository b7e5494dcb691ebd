//! Where keys and values lie: a cell holds one position's of one sequence, `[n_kv_heads][head_dim]` in each cache.
//!
//! Cells come in blocks of neighbours, and a sequence has a table of the first cells of its blocks (Kwon et al. 2023,
//! "PagedAttention"). A batch is its rows, and behind them the tables of their sequences.

/// The words of a row as kernels read them: (token, position, word of the batch at which its sequence's table begins, cells
/// of its sequence after this batch).
pub type RowWords = [u32; 4];

/// The bits of a row's first word that are its token's id; those above are its type, which encoders tell texts apart by.
pub const TOKEN: u32 = (1 << 24) - 1;

/// Cells of a block.
pub const BLOCK: u32 = 32;

/// The words of a row of a batch.
#[inline(always)]
pub fn row(batch: &[u32], index: usize) -> RowWords {
    batch.as_chunks().0[index]
}

/// The row as a layer reads it whose table begins so many words behind the one that the row names.
#[inline(always)]
pub fn row_of([token, position, table, end]: RowWords, tables: u32) -> RowWords {
    [token, position, table + tables, end]
}

/// The cell of a position of the row's sequence, as in `shaders/shared/cell.wgsl`: these functions alone look into a
/// table.
#[inline(always)]
pub fn cell(batch: &[u32], row: RowWords, position: u32) -> u32 {
    batch[row[2] as usize + (position / BLOCK) as usize] + position % BLOCK
}
