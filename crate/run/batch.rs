//! The rows of one forward pass. Rows of several sequences may share a batch; each brings its own position.

/// One token to be processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub token: u32,
    /// From 0, in its sequence.
    pub position: u32,
    pub sequence: u32,
    /// Whether the logits after this token are wanted.
    pub logits: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub rows: Vec<Row>,
    /// Prefill batches take matrix-matrix kernels at any size, so that how a prompt is cut into chunks cannot
    /// change a result; decode batches of a few rows take matrix-vector kernels.
    pub prefill: bool,
}

impl Batch {
    /// What the kernels read: (token, position, first cell of the sequence, 0) a row.
    pub fn words(&self, context: u32) -> Vec<u32> {
        self.rows.iter().flat_map(|r| [r.token, r.position, r.sequence * context, 0]).collect()
    }

    /// Indices of the rows whose logits are wanted.
    pub fn outputs(&self) -> Vec<u32> {
        (0..).zip(&self.rows).filter(|(_, row)| row.logits).map(|(i, _)| i).collect()
    }
}
