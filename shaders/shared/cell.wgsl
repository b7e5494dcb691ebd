// Where keys and values lie: a cell holds one position's of one sequence, [n_kv_heads][head_dim] in each cache.
// Cells come in blocks of neighbours, and a sequence has a table of the first cells of its blocks (Kwon et al. 2023,
// "PagedAttention"). A row is (token, position, word of the batch at which its sequence's table begins, cells of its sequence
// after this batch); the tables lie behind the rows. These functions alone know that. Mirror: crate/kernels/cell.rs
const BLOCK: u32 = 32u;

// The row as a layer reads it whose table begins so many words behind the one that the row names.
fn row_of(row: vec4<u32>, tables: u32) -> vec4<u32> {
    return row + vec4<u32>(0u, 0u, tables, 0u);
}

// The first cell of the block in which a position of the row's sequence lies.
fn block_cell(row: vec4<u32>, position: u32) -> u32 {
    let at = row.z + position / BLOCK;
    return batch[at / 4u][at % 4u];
}

// The cell of a position of the row's sequence.
fn cell(row: vec4<u32>, position: u32) -> u32 {
    return block_cell(row, position) + position % BLOCK;
}
