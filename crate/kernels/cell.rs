//! Where keys and values lie: a cell holds one position's of one sequence, `[n_kv_heads][head_dim]` in each cache.

/// The words of a row as kernels read them: (token, position, first cell of its sequence, cells of its
/// sequence after this batch).
pub type RowWords = [u32; 4];

/// The bits of a row's first word that are its token's id; those above are its type, which encoders tell texts apart by.
pub const TOKEN: u32 = (1 << 24) - 1;

/// The cell of a position of the row's sequence, as in `shaders/shared/cell.wgsl`. A sequence's cells are a run of
/// neighbours: these two functions alone know that.
#[inline(always)]
pub fn cell(row: RowWords, position: u32) -> u32 {
    row[2] + position
}
