// Where keys and values lie: a cell holds one position's of one sequence, [n_kv_heads][head_dim] in each cache.
// A row is (token, position, first cell of its sequence, cells of its sequence after this batch), and those are a run of
// neighbours: this function alone knows that. Mirror: crate/kernels/cell.rs

// The cell of a position of the row's sequence.
fn cell(row: vec4<u32>, position: u32) -> u32 {
    return row.z + position;
}
